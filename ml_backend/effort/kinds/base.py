"""`Proposing`: what effort is measured against in one kind of project, found by the name of its file."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, Protocol

from ml_backend.effort.compare import Mark
from ml_backend.label_studio.config import LabelingJob
from ml_backend.label_studio.config.family import module_for
from ml_backend.state.store import Store


class Proposing(Protocol):
    """What models propose in a kind of project.

    Attributes:
        proposed: what they propose, in words: "classes" or "regions".
        is_whole: whether each image has exactly one mark, which has no place on it.
    """

    proposed: ClassVar[str]
    is_whole: ClassVar[bool]

    def marks(self, store: Store, project_id: int, job: LabelingJob, run: int, item: int) -> Sequence[Mark] | None:
        """What the model of a run proposed on an item; None where its answer is not known any more."""


def proposing_of(name: str) -> Proposing:
    """What is proposed in a kind of project: `PROPOSING` in the file of this package that is called so.

    Raises:
        PapLoopError: no file has that name.
    """
    proposing: Proposing = module_for(name, "ml_backend.effort.kinds.{}").PROPOSING
    return proposing
