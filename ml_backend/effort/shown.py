"""Which regions an annotator was shown: by the ids kept in the annotation, else by the time work began."""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from ml_backend.effort.compare import DRAWN, Mark
from ml_backend.effort.kinds.base import proposing_of
from ml_backend.label_studio.config import LabelingJob
from ml_backend.label_studio.regions.ids import Proposal, proposal_of
from ml_backend.labels.classes import age
from ml_backend.state.records import AnnotationRow
from ml_backend.state.store import Store

PROPOSAL, NOTHING, ELSEWHERE = "proposal", "nothing", "elsewhere"
LONGEST = 1800.0
"""Seconds by which an annotation is taken to have begun before it was handed in, at most: pages are left open."""


@dataclass(frozen=True)
class Shown:
    """What an annotation began with.

    Attributes:
        start: `PROPOSAL`, `NOTHING` (drawn by hand) or `ELSEWHERE` (not made in the editor).
        run: whose model's proposals, None where there were none or nobody knows.
        marks: the regions, None when they are not known any more.
    """

    start: str
    run: int | None
    marks: Sequence[Mark] | None


class Proposals:
    """What the models of a project proposed.

    Args:
        store: what models said, and when their orders were in force.
        project_id: Label Studio's project id.
        job: what its labeling config asks.
    """

    def __init__(self, store: Store, project_id: int, job: LabelingJob) -> None:
        self._store = store
        self._project = project_id
        self._job = job

    def shown_to(self, annotation: AnnotationRow, item: int | None, final: Sequence[Mark]) -> Shown:
        """What an annotation began with.

        Args:
            annotation: as Label Studio shows it.
            item: the image of its task, None when it is not known.
            final: its regions.
        """
        ours = [found for mark in final if (found := proposal_of(mark.id)) is not None]
        if ours:
            (best, _), *_ = Counter(Proposal(each.run, each.item) for each in ours).most_common(1)
            return Shown(PROPOSAL, best.run or None, self._marks(best.run, best.item))
        origins = {mark.origin for mark in final}
        if origins - {DRAWN, ""}:
            return Shown(PROPOSAL, None, None)
        if annotation.parent_prediction is not None and item is not None:
            # Empty annotations have no change of their own.
            handed_in = annotation.changed_at or age(annotation)[0].timestamp()
            began = handed_in - min(annotation.lead_time or 0.0, LONGEST)
            run = self._run_at(began)
            marks = self._marks(run, item) if run is not None else []
            if marks is None or marks:
                return Shown(PROPOSAL, run, marks)
        if annotation.lead_time or DRAWN in origins or annotation.parent_prediction is not None:
            return Shown(NOTHING, None, [])
        return Shown(ELSEWHERE, None, [])

    def _marks(self, run: int, item: int) -> Sequence[Mark] | None:
        return proposing_of(self._job.family).marks(self._store, self._project, self._job, run, item)

    @cached_property
    def _timeline(self) -> list[tuple[float, int | None]]:
        """When each order came into force, and the run whose model spoke in it."""
        ended = {
            run.id: run.finished_at
            for run in self._store.runs.latest(self._project, limit=100_000)
            if run.state == "done"
        }
        orders = [(ended.get(row.opened_by), row.run_id) for row in self._store.rankings.all(self._project)]
        return sorted(((end, run) for end, run in orders if end is not None), key=lambda entry: entry[0])

    def _run_at(self, moment: float) -> int | None:
        place = bisect_right(self._timeline, moment, key=lambda entry: entry[0])
        return self._timeline[place - 1][1] if place else None
