"""Effects of a stored webhook: labels upserted or deleted, tasks new or deleted, a run requested."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from ml_backend.errors import BadRequest, LabelConfigError
from ml_backend.intake.tasks import empty_says, remember_tasks
from ml_backend.label_studio.bodies.annotations import Body, annotation_row
from ml_backend.label_studio.bodies.webhooks import (
    come_annotated,
    created_tasks,
    deleted_annotations,
    deleted_tasks,
    saved_annotations,
    tasks_of_annotations,
)
from ml_backend.label_studio.config import parse_label_config
from ml_backend.runs import request_run
from ml_backend.services import Services
from ml_backend.state.records import AnnotationRow, EventRow


def _annotations_saved(services: Services, project_id: int, body: Body) -> None:
    rows: list[AnnotationRow] = []
    wrong = ""
    for annotation in saved_annotations(body):
        try:
            rows.append(annotation_row(project_id, annotation))
        except BadRequest as error:
            wrong = wrong or str(error)
    remember_tasks(services.store, services.settings, project_id, tasks_of_annotations(body), services.clock())
    services.store.labels.upsert(
        project_id, rows, services.clock(), revive=False, empty_counts=empty_says(services.store, project_id)
    )
    if wrong:
        raise BadRequest(wrong)


def _annotations_deleted(services: Services, project_id: int, body: Body) -> None:
    gone, empty = deleted_annotations(body), empty_says(services.store, project_id)
    services.store.labels.delete(project_id, gone, services.clock(), empty_counts=empty)


def _tasks_created(services: Services, project_id: int, body: Body) -> None:
    tasks = created_tasks(body)
    remember_tasks(services.store, services.settings, project_id, tasks, services.clock())
    if come_annotated(tasks):
        # Annotations inside an import are not in the event: only a poll sees them.
        services.store.projects.update(project_id, reconciled_at=0.0)


def _tasks_deleted(services: Services, project_id: int, body: Body) -> None:
    task_ids = deleted_tasks(body)
    services.store.items.mark_tasks_deleted(project_id, task_ids)
    empty = empty_says(services.store, project_id)
    services.store.labels.delete_of_tasks(project_id, task_ids, services.clock(), empty_counts=empty)


def _asked(label_config: str) -> tuple[str, tuple[str, ...]]:
    """What a model has to answer: the kind of job and its classes."""
    try:
        job = parse_label_config(label_config)
    except LabelConfigError:
        return "", ()
    return job.kind, job.classes


def refresh_project(services: Services, project_id: int, project: Body) -> bool:
    """Update title and label config of a project, and train if its classes, or what they label, changed.

    Returns:
        Whether a training run follows.
    """
    before = services.store.projects.one(project_id)
    label_config = project.get("label_config")
    if not isinstance(label_config, str):
        return False
    changed = bool(before.label_config) and _asked(before.label_config) != _asked(label_config)
    why = "The classes of the label config changed." if changed and services.store.labels.all(project_id) else ""
    title = str(project.get("title") or before.title)
    services.store.projects.upsert(project_id, title, label_config, services.clock(), train_why=why)
    return bool(why)


def _project_updated(services: Services, project_id: int, body: Body) -> None:
    project = body.get("project")
    refresh_project(services, project_id, project if isinstance(project, Mapping) else {})


def _start_training(services: Services, project_id: int, _body: Body) -> None:
    request_run(
        services.store,
        project_id,
        kind="train",
        reason="Start Training was pressed in Label Studio.",
        now=services.clock(),
    )


HANDLERS: Mapping[str, Callable[[Services, int, Body], None]] = {
    "ANNOTATION_CREATED": _annotations_saved,
    "ANNOTATIONS_CREATED": _annotations_saved,
    "ANNOTATION_UPDATED": _annotations_saved,
    "ANNOTATIONS_DELETED": _annotations_deleted,
    "TASKS_CREATED": _tasks_created,
    "TASKS_DELETED": _tasks_deleted,
    "PROJECT_UPDATED": _project_updated,
    "START_TRAINING": _start_training,
}


def apply_event(services: Services, event: EventRow) -> None:
    """Apply one stored event; applying it twice, or after later ones, changes nothing more.

    Annotations and tasks say themselves which state is the later one; a project does not, so what it once was called
    and asked does not replace what a later event said.

    Raises:
        NotFound: the project is not connected to PapLoop.
        BadRequest: the event lacks what its action needs.
    """
    project = services.store.projects.one(event.project_id)
    left_at = project.gone_at
    if left_at is not None and event.received_at > left_at:
        # It speaks, so it is there: the next poll tells.
        services.store.projects.update(event.project_id, gone_at=None, reconciled_at=0.0)
        left_at = None
    handler = HANDLERS.get(event.action)
    if event.action == "PROJECT_UPDATED" and services.store.events.is_superseded(event):
        return
    if handler is not None:
        handler(services, event.project_id, event.body)
    if left_at is not None:
        # It said so before it was left alone, which does not take it up again.
        services.store.projects.update(event.project_id, gone_at=left_at)
