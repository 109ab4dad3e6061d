"""The class that a model proposed for a whole image."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from ml_backend.effort.compare import Mark
from ml_backend.label_studio.config import LabelingJob
from ml_backend.label_studio.regions.ids import region_id
from ml_backend.state.class_probs import likeliest
from ml_backend.state.store import Store


class ProposingClasses:
    """See `ml_backend.effort.kinds.base.Proposing`."""

    proposed: ClassVar[str] = "classes"
    is_whole: ClassVar[bool] = True

    def marks(
        self,
        store: Store,
        project_id: int,  # noqa: ARG002
        job: LabelingJob,  # noqa: ARG002
        run: int,
        item: int,
    ) -> Sequence[Mark] | None:
        """The likeliest class, whether or not it can still be chosen."""
        stored = store.answers.of(run, [item])
        if not len(stored.ids):
            return None
        answer = likeliest(stored.classes, stored.probs[0], stored.classes)
        return None if answer is None else [Mark(region_id(run, item), answer[0], whole=True)]


PROPOSING = ProposingClasses()
