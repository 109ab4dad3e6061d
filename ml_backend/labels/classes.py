"""Several annotations of one task -> one confirmed label, by a stated rule.

1. Skipped annotations say nothing; neither do empty ones, those with several choices, and classes the config lacks.
2. A ground-truth annotation wins over all others.
3. Otherwise each annotator has one vote, the latest of their annotations; most votes win.
4. Where the votes are even, the task is left out, with the reason.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import ClassVar, Protocol

from ml_backend.label_studio.config import LabelingJob
from ml_backend.label_studio.regions import Result
from ml_backend.label_studio.regions.choices import NO_RESULT, SEVERAL, UNKNOWN, read_choice
from ml_backend.times import time_or_epoch

SKIPPED = "skipped"
DISAGREE = "annotators are evenly split"
_TELLING_FIRST = (UNKNOWN, SEVERAL, NO_RESULT, SKIPPED)


class Annotated(Protocol):
    """The fields of an annotation that the rule uses."""

    @property
    def id(self) -> int:
        """Label Studio's annotation id."""

    @property
    def task_id(self) -> int:
        """The task."""

    @property
    def completed_by(self) -> int | None:
        """The annotator; None counts as somebody of their own."""

    @property
    def result(self) -> Sequence[object]:
        """Label Studio's regions."""

    @property
    def was_cancelled(self) -> bool:
        """Whether it is a skip."""

    @property
    def ground_truth(self) -> bool:
        """Whether it was starred as the truth."""

    @property
    def updated_at(self) -> str:
        """ISO time of the last change."""


@dataclass(frozen=True)
class Confirmed:
    """Attributes:
    labels: task id -> class name; empty where a task has no single one.
    left_out: task id -> why its annotations give no label.
    objects: task id -> Label Studio's results of the annotation that counts, where regions are what is labeled.
    """

    labels: Mapping[int, str]
    left_out: Mapping[int, str]
    objects: Mapping[int, Sequence[Result]] = field(default_factory=dict)


def consensus(annotations: Iterable[Annotated], job: LabelingJob) -> Confirmed:
    """Confirm at most one label per task, by the rule at the top of this file.

    Args:
        annotations: live annotations of any tasks, in any order; the answer does not depend on it.
        job: the labeling job.
    """
    of_task: dict[int, list[Annotated]] = defaultdict(list)
    for annotation in annotations:
        of_task[annotation.task_id].append(annotation)
    labels: dict[int, str] = {}
    left_out: dict[int, str] = {}
    for task_id in sorted(of_task):
        label, reason = _decide(sorted(of_task[task_id], key=age), job)
        if label is None:
            left_out[task_id] = reason
        else:
            labels[task_id] = label
    return Confirmed(labels, left_out)


def age(annotation: Annotated) -> tuple[datetime, int]:
    """What sorts annotations from the oldest change to the newest, whatever their times look like."""
    return time_or_epoch(annotation.updated_at), annotation.id


def _decide(oldest_first: Sequence[Annotated], job: LabelingJob) -> tuple[str | None, str]:
    truths = _votes([entry for entry in oldest_first if entry.ground_truth], job)
    votes, reasons = truths if truths[0] else _votes(oldest_first, job)
    if not votes:
        return None, next(reason for reason in _TELLING_FIRST if reason in reasons)
    ranked = Counter(votes).most_common(2)
    if len(ranked) == 2 and ranked[0][1] == ranked[1][1]:
        return None, DISAGREE
    return ranked[0][0], ""


def _votes(oldest_first: Sequence[Annotated], job: LabelingJob) -> tuple[list[str], set[str]]:
    """The vote of each annotator's latest annotation, and why others have none."""
    latest: dict[tuple[str, int], Annotated] = {}
    for entry in oldest_first:
        who = ("user", entry.completed_by) if entry.completed_by is not None else ("nobody", entry.id)
        latest[who] = entry
    votes: list[str] = []
    reasons: set[str] = set()
    for entry in latest.values():
        label, reason = (None, SKIPPED) if entry.was_cancelled else read_choice(entry.result, job)
        if label is None:
            reasons.add(reason)
        else:
            votes.append(label)
    return votes, reasons


class Votes:
    """The rule for projects that give a whole image one class."""

    counted: ClassVar[str] = "images labeled"
    empty_says: ClassVar[bool] = False
    is_of_image: ClassVar[bool] = True

    def confirm(self, annotations: Iterable[Annotated], job: LabelingJob) -> Confirmed:
        """The class that most annotators gave."""
        return consensus(annotations, job)

    def count(self, confirmed: Confirmed, job: LabelingJob) -> dict[str, int]:
        """Images of each class."""
        counted = Counter(confirmed.labels.values())
        return {name: counted[name] for name in job.classes}


RULE = Votes()
