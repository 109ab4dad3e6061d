"""Several annotations of one task -> one confirmed set of objects, by a stated rule.

1. Skipped annotations say nothing.
2. Ground-truth annotations win over all others.
3. Of those left, the one that was changed last counts, as a whole: sets of objects are never mixed.
4. An annotation without regions says that the image was looked at and holds no object; one that was made altogether
   with controls that the labeling config does not have (any more) says nothing.
5. A submitted annotation vouches for the whole image, so an unmarked place is background. Where it has regions with a
   "checked" label, it vouches for these alone: objects outside of them are learned, their surroundings are unknown.
6. In regions with an "ignore" label nothing is learned or counted. The same holds for regions without a label and with
   one that the labeling config does not have (any more), or with a control that it does not have: somebody saw
   something there, so it is not a background.
7. Where the place of a region cannot be read, the annotation vouches for no place: its other objects are learned, their
   surroundings are unknown.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

from ml_backend.label_studio.config import LabelingJob
from ml_backend.label_studio.regions import Result
from ml_backend.label_studio.regions.result import control_of, label_in, type_of
from ml_backend.labels.classes import SKIPPED, Annotated, Confirmed, age

ELSEWHERE = "drawn with controls that the labeling config does not have"


@dataclass(frozen=True)
class ConfirmedObjects:
    """Attributes:
    results: task id -> Label Studio's results of the annotation that counts.
    left_out: task id -> why its annotations say nothing.
    """

    results: Mapping[int, Sequence[Result]]
    left_out: Mapping[int, str]


def confirm(annotations: Iterable[Annotated], job: LabelingJob) -> ConfirmedObjects:
    """The annotation of each task that counts, by the rule at the top of this file; their order does not matter."""
    of_task: dict[int, list[Annotated]] = defaultdict(list)
    for annotation in annotations:
        of_task[annotation.task_id].append(annotation)
    results: dict[int, Sequence[Result]] = {}
    left_out: dict[int, str] = {}
    for task_id in sorted(of_task):
        submitted = [entry for entry in of_task[task_id] if not entry.was_cancelled]
        said = [entry for entry in submitted if _is_about(entry, job)]
        truths = [entry for entry in said if entry.ground_truth] or said
        if truths:
            results[task_id] = [entry for entry in max(truths, key=age).result if isinstance(entry, Mapping)]
        else:
            left_out[task_id] = ELSEWHERE if submitted else SKIPPED
    return ConfirmedObjects(results, left_out)


def _is_about(annotation: Annotated, job: LabelingJob) -> bool:
    """Whether it was made with this config: empty, or some result is by one of its controls."""
    results = [entry for entry in annotation.result if isinstance(entry, Mapping)]
    return not results or any(control_of(entry) in job.tags for entry in results)


def count_objects(results: Iterable[Sequence[Result]], job: LabelingJob) -> dict[str, int]:
    """Drawn objects of each class, without a look at their shapes."""
    names = {control.from_name: control.type for control in job.controls}
    counted: Counter[str] = Counter()
    for result in results:
        for entry in result:
            kind = names.get(control_of(entry))
            if kind is not None and type_of(entry) == kind:
                counted[label_in(entry, kind)] += 1
    return {name: counted[name] for name in job.classes}


class LastSet:
    """The rule for projects in which objects are drawn."""

    counted: ClassVar[str] = "objects confirmed"
    empty_says: ClassVar[bool] = True
    is_of_image: ClassVar[bool] = False

    def confirm(self, annotations: Iterable[Annotated], job: LabelingJob) -> Confirmed:
        """The objects of the annotation that was changed last."""
        drawn = confirm(annotations, job)
        return Confirmed({}, drawn.left_out, drawn.results)

    def count(self, confirmed: Confirmed, job: LabelingJob) -> dict[str, int]:
        """Objects of each class."""
        return count_objects(confirmed.objects.values(), job)


RULE = LastSet()
