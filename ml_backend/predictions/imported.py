"""Imported pre-annotations in an order: shown where no model of the project has a prediction."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence

from ml_backend.label_studio.config import LabelingJob
from ml_backend.label_studio.regions import Result
from ml_backend.label_studio.regions.misfits import fitting
from ml_backend.state.records import RankingEntry
from ml_backend.state.rows.proposals import ProposalRows

Results = Sequence[Result]
READ_AT_ONCE = 64


def with_imported(
    proposals: ProposalRows,
    project_id: int,
    job: LabelingJob,
    entries: Sequence[RankingEntry],
    results: Iterable[Results],
    answered: Collection[int],
) -> Iterator[Results]:
    """The results of each entry, imported ones in place of nothing.

    Args:
        proposals: what was imported.
        project_id: Label Studio's project id.
        job: the labeling job; regions that it does not have any more are left out, or Label Studio would refuse them.
        entries: of the order.
        results: what the project itself proposes for each of them.
        answered: items that a model has an answer for, be it that there is nothing.
    """
    if not proposals.any(project_id):
        yield from results
        return
    wanted = [entry.item_id for entry in entries if entry.item_id not in answered]
    imported: dict[int, list[Result]] = {}
    place = 0
    for entry, result in zip(entries, results, strict=True):
        if result or entry.item_id in answered:
            yield result
            continue
        if entry.item_id not in imported:
            part, place = wanted[place : place + READ_AT_ONCE], place + READ_AT_ONCE
            imported = {item: [] for item in part} | proposals.of(project_id, part)
        yield fitting(imported.get(entry.item_id, []), job)
