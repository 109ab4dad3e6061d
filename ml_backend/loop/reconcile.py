"""Finds changes whose webhooks were lost: changed tasks by `updated_at`, new and deleted tasks by id, drift by
counts."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import timedelta
from typing import Any

from ml_backend.effort.record import record_effort
from ml_backend.errors import BadRequest, NotFound
from ml_backend.intake.tasks import empty_says, remember_tasks
from ml_backend.label_studio.bodies.annotations import annotation_row
from ml_backend.label_studio.bodies.tasks import annotations_of
from ml_backend.label_studio.client.wire import Json
from ml_backend.loop.events import refresh_project
from ml_backend.services import Services
from ml_backend.times import format_time, parse_time

log = logging.getLogger(__name__)

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
    """Synchronize a project's tasks and annotations with Label Studio; repeating it changes nothing.

    Everything is read again only where the counts tell that something was lost that no change of a task points to, such
    as a deletion; a difference that a full reading leaves is kept in mind and asks for no other.

    Args:
        services: the parts of the process.
        project_id: Label Studio's project id.
        full: read every task again instead of those changed since the last time.

    Raises:
        LabelStudioUnavailable: it does not answer; nothing is lost, the next poll looks again.
        NotFound: Label Studio has no such project (any more); it is polled no more until somebody connects it again.
    """
    store = services.store
    started = services.clock()
    project = _project(services, project_id)
    refresh_project(services, project_id, project)
    new, gone, deleted = _tasks(services, project_id)
    since = EPOCH if full else (store.projects.one(project_id).reconciled_until or EPOCH)
    found = _poll(services, project_id, since)
    known = _known_drift(services, project_id)
    if since != EPOCH and _difference(services, project_id, _counts(project)) not in (None, known):
        drift, again = _settled(services, project_id, found.until)
        found += again
        if drift is not None and drift != known:
            found += _poll(services, project_id, EPOCH)
            full = True
    if full or since == EPOCH:
        drift, again = _settled(services, project_id, found.until)
        found += again
        if drift is not None:
            store.projects.update(project_id, drift=json.dumps(drift))
    store.projects.update(project_id, reconciled_until=found.until, reconciled_at=started)
    record_effort(services.store, project_id)
    return Report(new, gone, found.changed, found.deleted + deleted, full)


def _project(services: Services, project_id: int) -> Json:
    try:
        return services.label_studio.project(project_id)
    except NotFound:
        services.store.projects.update(project_id, gone_at=services.clock())
        raise


def _tasks(services: Services, project_id: int) -> tuple[int, int, int]:
    """New and deleted tasks; returns how many of both, and how many annotations went with the deleted ones."""
    store, client = services.store, services.label_studio
    # Ours before the listing: what arrives while Label Studio lists is not in its list and is not gone.
    items, annotated = store.items.all(project_id), set(store.labels.ids(project_id))
    there = client.task_ids(project_id)
    here = {item.task_id for item in items if item.task_id is not None and item.state != "deleted"}
    missing = sorted(there - here)
    new = 0
    if missing:
        listed = client.tasks_by_ids(project_id, missing)
        new = remember_tasks(store, services.settings, project_id, listed, services.clock(), listed=True)
    gone = sorted(here - there)
    if gone:
        store.items.mark_tasks_deleted(project_id, gone)
    # A late webhook can bring an annotation of a task that is gone already, and that we never knew.
    orphaned = sorted((here | annotated) - there)
    deleted = 0
    if orphaned:
        deleted = store.labels.delete_of_tasks(
            project_id, orphaned, services.clock(), empty_counts=empty_says(services.store, project_id)
        )
    return new, len(gone), deleted


@dataclass(frozen=True)
class _Found:
    """What a poll found, and how far it came."""

    changed: int
    deleted: int
    until: str

    def __add__(self, later: _Found) -> _Found:
        return _Found(self.changed + later.changed, self.deleted + later.deleted, later.until)


def _poll(services: Services, project_id: int, since: str) -> _Found:
    """Upsert what tasks changed after `since` hold; one that cannot be stored holds up no other."""
    store = services.store
    changed = deleted = 0
    newest = since
    # Taken before the listing: an annotation that a webhook brings meanwhile is not in it and is not gone.
    before = store.labels.ids(project_id)
    empty = empty_says(services.store, project_id)
    for task in services.label_studio.tasks_updated_since(project_id, since):
        newest = max(newest, str(task.get("updated_at") or since))
        try:
            changed += _upsert(services, project_id, task, empty)
            there = {annotation.get("id") for annotation in annotations_of(task)}
            lost = before.get(int(task["id"]), set()) - there
            if lost:
                deleted += store.labels.delete(project_id, sorted(lost), services.clock(), empty_counts=empty)
        except BadRequest as error:
            log.warning("task %s of project %d cannot be fetched: %s", task["id"], project_id, error)
    return _Found(changed, deleted, _earlier(newest))


def _upsert(services: Services, project_id: int, task: Mapping[str, Any], empty_counts: bool) -> int:
    rows = []
    for annotation in annotations_of(task):
        try:
            rows.append(annotation_row(project_id, annotation))
        except BadRequest as error:
            log.warning("an annotation of task %s of project %d is left out: %s", task["id"], project_id, error)
    if not rows:
        return 0
    return services.store.labels.upsert(project_id, rows, services.clock(), empty_counts=empty_counts)


def _earlier(stamp: str) -> str:
    """The cursor a little before `stamp`, in the one form that Label Studio's filter takes."""
    if stamp == EPOCH:
        return EPOCH
    return format_time(parse_time(stamp) - OVERLAP)


def _counts(project: Mapping[str, Any]) -> list[int] | None:
    """Label Studio's numbers of annotations and of skips, None where it does not tell."""
    counted = [project.get("total_annotations_number"), project.get("skipped_annotations_number")]
    numbers = [number for number in counted if isinstance(number, int)]
    return numbers if len(numbers) == len(counted) else None


def _difference(services: Services, project_id: int, counts: list[int] | None) -> list[int] | None:
    """By how many annotations and skips Label Studio has more than we hold; None where it does not tell."""
    if counts is None:
        return None
    labels, skips = services.store.labels.counts(project_id)
    return [counts[0] - labels, counts[1] - skips]


def _known_drift(services: Services, project_id: int) -> list[int]:
    """The difference that the last full reading left."""
    kept = services.store.projects.one(project_id).drift
    return list(json.loads(kept)) if kept else [0, 0]


def _settled(services: Services, project_id: int, since: str) -> tuple[list[int] | None, _Found]:
    """The difference in counts, None while people label: counts tell something only if they stand still meanwhile."""
    before = _counts(_project(services, project_id))
    found = _poll(services, project_id, since)
    drift = _difference(services, project_id, before)
    after = _counts(_project(services, project_id))
    return (drift if before == after else None), found
