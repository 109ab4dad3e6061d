"""Records what experts did with proposals while these are still known; models and their predictions are deleted
later."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence

from ml_backend.effort.compare import compare
from ml_backend.effort.marks import marks_of
from ml_backend.effort.shown import ELSEWHERE, Proposals
from ml_backend.errors import LabelConfigError, PapLoopError
from ml_backend.label_studio.config import LabelingJob, parse_label_config
from ml_backend.state.records import AnnotationRow, EffortRow
from ml_backend.state.store import Store

log = logging.getLogger(__name__)

MEANINGLESS = 0.0
"""Scripts hand in a time of 0."""


def record_effort(store: Store, project_id: int) -> int:
    """Examine every finished annotation that was not examined in its current state; returns how many.

    Raises:
        NotFound: the project is not connected.
    """
    try:
        job = parse_label_config(store.projects.one(project_id).label_config)
    except LabelConfigError:
        return 0
    seen = 0
    while waiting := store.effort.missing(project_id):
        store.effort.save(project_id, list(_rows(store, project_id, job, waiting)))
        seen += len(waiting)
    return seen


def _rows(store: Store, project_id: int, job: LabelingJob, annotations: Sequence[AnnotationRow]) -> Iterator[EffortRow]:
    items = store.items.by_task(project_id, {row.task_id for row in annotations})
    proposals = Proposals(store, project_id, job)
    for annotation in annotations:
        item = items.get(annotation.task_id)
        try:
            yield _row(annotation, proposals, item.id if item is not None else None, job)
        except PapLoopError:
            raise
        except Exception:
            # One odd annotation must not keep the others of its project from being looked at, now or ever.
            log.exception("cannot tell what happened to the proposals of annotation %d", annotation.id)
            yield EffortRow(annotation.id, annotation.updated_at, None, ELSEWHERE, 0, 0, 0, 0, None, None)


def _row(annotation: AnnotationRow, proposals: Proposals, item_id: int | None, job: LabelingJob) -> EffortRow:
    final = marks_of(annotation.result, job)
    shown = proposals.shown_to(annotation, item_id, final)
    changes = compare(shown.marks, final)
    is_work = shown.start != ELSEWHERE and (annotation.lead_time or 0) > MEANINGLESS
    return EffortRow(
        annotation_id=annotation.id,
        updated_at=annotation.updated_at,
        run_id=shown.run,
        start=shown.start,
        accepted=changes.accepted,
        moved=changes.moved,
        relabeled=changes.relabeled,
        added=changes.added,
        deleted=changes.deleted,
        seconds=annotation.lead_time if is_work else None,
    )
