"""Find what webhooks lost: changed tasks by `updated_at`, new and deleted tasks by id, drift by counting."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from ml_backend.effort.record import record_effort
from ml_backend.errors import BadRequest, NotFound
from ml_backend.events import annotation_row, refresh_project
from ml_backend.services import Services
from ml_backend.tasks import draws_objects, remember_tasks

EPOCH = "1970-01-01T00:00:00.000000Z"
OVERLAP = timedelta(seconds=60)
"""The poll looks back this far, so that a row committed late on the other side is not missed."""


@dataclass(frozen=True)
class Report:
    """What one reconciliation found.

    Attributes:
        tasks_new: tasks we did not know.
        tasks_deleted: tasks that are gone from Label Studio.
        annotations_changed: annotations that were new or different.
        annotations_deleted: annotations that are gone from Label Studio.
        full: whether everything was read again because the counts did not agree.
    """

    tasks_new: int = 0
    tasks_deleted: int = 0
    annotations_changed: int = 0
    annotations_deleted: int = 0
    full: bool = False

    def as_dict(self) -> dict[str, Any]:
        """JSON form."""
        return asdict(self)


def reconcile(services: Services, project_id: int, *, full: bool = False) -> Report:
    """Bring our copy of a project's tasks and annotations level with Label Studio; repeating it changes nothing.

    Args:
        services: the parts of the process.
        project_id: Label Studio's project id.
        full: read every task again instead of those changed since the last time.

    Raises:
        LabelStudioUnavailable: it does not answer; nothing is lost, the next poll looks again.
    """
    store, client = services.store, services.label_studio
    started = services.clock()
    project = client.project(project_id)
    refresh_project(services, project_id, project)
    new, gone = _tasks(services, project_id)
    since = EPOCH if full else (store.project(project_id).reconciled_until or EPOCH)
    changed, deleted, until = _poll(services, project_id, since)
    if not full and since != EPOCH and _drifted(services, project_id, project):
        more_changed, more_deleted, until = _poll(services, project_id, EPOCH)
        changed, deleted, full = changed + more_changed, deleted + more_deleted, True
    store.update_project(project_id, reconciled_until=until, reconciled_at=started)
    record_effort(services, project_id)
    return Report(new, gone, changed, deleted, full)


def _tasks(services: Services, project_id: int) -> tuple[int, int]:
    store, client = services.store, services.label_studio
    there = client.task_ids(project_id)
    items = store.items(project_id)
    here = {item.task_id for item in items if item.task_id is not None and item.state != "deleted"}
    missing = sorted(there - here)
    new = remember_tasks(services, project_id, client.tasks_by_ids(project_id, missing), listed=True) if missing else 0
    gone = sorted(here - there)
    if gone:
        store.mark_tasks_deleted(project_id, gone)
        store.delete_annotations_of_tasks(
            project_id, gone, services.clock(), empty_counts=draws_objects(services, project_id)
        )
    return new, len(gone)


def _poll(services: Services, project_id: int, since: str) -> tuple[int, int, str]:
    """Upsert what tasks changed after `since` hold; answers changed, deleted, and the new cursor."""
    store = services.store
    changed = deleted = 0
    newest = since
    # Taken before the listing: an annotation that a webhook brings meanwhile is not in it and is not gone.
    before = store.annotation_ids(project_id)
    for task in services.label_studio.tasks_updated_since(project_id, since):
        newest = max(newest, str(task.get("updated_at") or since))
        changed += _upsert(services, project_id, task)
        there = {annotation["id"] for annotation in task.get("annotations") or [] if "id" in annotation}
        lost = before.get(int(task["id"]), set()) - there
        if lost:
            deleted += store.delete_annotations(
                project_id, sorted(lost), services.clock(), empty_counts=draws_objects(services, project_id)
            )
    return changed, deleted, _earlier(newest)


def _upsert(services: Services, project_id: int, task: Mapping[str, Any]) -> int:
    rows = []
    for annotation in task.get("annotations") or []:
        try:
            rows.append(annotation_row(project_id, {**annotation, "task": task["id"]}))
        except BadRequest:
            continue
    if not rows:
        return 0
    empty = draws_objects(services, project_id)
    return services.store.upsert_annotations(project_id, rows, services.clock(), empty_counts=empty)


def _earlier(stamp: str) -> str:
    """The cursor a little before `stamp`, in the one form that Label Studio's filter takes."""
    if stamp == EPOCH:
        return EPOCH
    moment = datetime.fromisoformat(stamp.replace("Z", "+00:00")).astimezone(UTC) - OVERLAP
    return moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def _drifted(services: Services, project_id: int, project: Mapping[str, Any]) -> bool:
    """Whether Label Studio counts other annotations than we hold."""
    counted = project.get("total_annotations_number")
    skipped = project.get("skipped_annotations_number")
    if not isinstance(counted, int) or not isinstance(skipped, int):
        return False
    rows = services.store.annotations(project_id)
    ours_skipped = sum(row.was_cancelled for row in rows)
    return (len(rows) - ours_skipped, ours_skipped) != (counted, skipped)


def reconcile_all(services: Services) -> dict[int, Report]:
    """Reconcile every connected project; one that is gone from Label Studio is passed over."""
    reports = {}
    for project in services.store.projects():
        try:
            reports[project.id] = reconcile(services, project.id)
        except NotFound:
            continue
    return reports
