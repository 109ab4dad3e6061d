"""`Rule`: how annotations of one kind of project become labels, and what is counted."""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar, Protocol

from ml_backend.label_studio.config import LabelingJob
from ml_backend.label_studio.config.family import module_for
from ml_backend.labels.classes import Annotated, Confirmed


class Rule(Protocol):
    """What a kind of project takes for a label.

    Attributes:
        counted: what is counted and how, in words, such as "images labeled".
        empty_says: whether an annotation without regions says something, such as that there is no object.
        is_of_image: whether a label is about the image alone, so that a near-duplicate can take it over.
    """

    counted: ClassVar[str]
    empty_says: ClassVar[bool]
    is_of_image: ClassVar[bool]

    def confirm(self, annotations: Iterable[Annotated], job: LabelingJob) -> Confirmed:
        """Confirm at most one label, or one set of objects, a task; the order of the annotations does not matter."""

    def count(self, confirmed: Confirmed, job: LabelingJob) -> dict[str, int]:
        """How many were confirmed of each class, in the order of the label config."""


def rule_of(job: LabelingJob) -> Rule:
    """The rule for a labeling job: `RULE` in the file of this wing that is called like the job's family.

    Raises:
        PapLoopError: no file has that name.
    """
    rule: Rule = module_for(job.family, "ml_backend.labels.{}").RULE
    return rule
