"""Replaces annotations that an earlier import made from wrong labels."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ml_backend.intake.label_files.results import PREFIX
from ml_backend.label_studio.bodies.annotations import author_of, is_untouched, results_in
from ml_backend.label_studio.regions import Result
from ml_backend.label_studio.regions.result import region_of
from training.types import Progress

if TYPE_CHECKING:
    from ml_backend.label_studio.client import LabelStudio
    from ml_backend.label_studio.client.wire import Json


@dataclass(frozen=True)
class Repair:
    """Attributes:
    annotation: Label Studio's id.
    results: what it is to say.
    """

    annotation: int
    results: list[Result]


def repairable(label_studio: LabelStudio, wanted: Mapping[int, list[Result]]) -> list[Repair]:
    """The annotations to change so that tasks have the wanted labels; tasks that people worked on are left alone.

    Args:
        label_studio: asked what is there.
        wanted: task id -> results.
    """
    repairs: list[Repair] = []
    me = label_studio.whoami().get("id") if wanted else None
    for task, results in wanted.items():
        present = label_studio.task_annotations(task)
        if len(present) == 1 and _by_import(present[0], me) and _ids(results_in(present[0])) != _ids(results):
            repairs.append(Repair(int(present[0]["id"]), results))
    return repairs


def repair(
    label_studio: LabelStudio, repairs: Sequence[Repair], keep: Callable[[Json], None], progress: Progress
) -> None:
    """Change annotations, each in one call, so that the repair may be interrupted and resumed.

    Args:
        label_studio: where they are changed.
        repairs: what they are to say.
        keep: takes each annotation as Label Studio has it now.
        progress: called with the progress.
    """
    for number, each in enumerate(repairs, start=1):
        made = label_studio.update_annotation(each.annotation, result=each.results)
        keep(made)
        progress(number / len(repairs), f"{number} of {len(repairs)} images")


def _by_import(annotation: Json, me: object) -> bool:
    """Whether an import made it and nobody touched it."""
    regions = map(region_of, results_in(annotation))
    return (
        is_untouched(annotation)
        and author_of(annotation) == me
        and all(region.startswith(PREFIX) for region in regions)
    )


def _ids(results: Sequence[Result]) -> set[str]:
    """Ids of an import's regions, which follow from the labels."""
    return set(map(region_of, results))
