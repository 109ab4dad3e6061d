"""The objects that a model proposed on an image."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar

from ml_backend.effort.compare import Mark
from ml_backend.effort.marks import four
from ml_backend.errors import PapLoopError
from ml_backend.label_studio.config import LabelingJob
from ml_backend.label_studio.regions.ids import region_id
from ml_backend.predictions.packing import Found, unpack
from ml_backend.predictions.thresholds import thresholds_of
from ml_backend.state.store import Store


class ProposingObjects:
    """See `ml_backend.effort.kinds.base.Proposing`."""

    proposed: ClassVar[str] = "regions"
    is_whole: ClassVar[bool] = False

    def marks(self, store: Store, project_id: int, job: LabelingJob, run: int, item: int) -> Sequence[Mark] | None:
        """The objects from the threshold on; None where the stored answer is damaged."""
        content = store.detections.of(run, [item]).get(item)
        if content is None:
            return None
        try:
            return _likely(run, item, unpack(content), job, thresholds_of(store, project_id, run))
        except PapLoopError:
            return None


def _likely(run: int, item: int, found: Found, job: LabelingJob, thresholds: Mapping[str, float] | float) -> list[Mark]:
    """The objects that were shown, as `label_studio.regions.objects.regions_of` chooses them."""
    answer, classes = found.detections, found.classes
    mean = answer.probs.mean(axis=0)[:, : len(classes)]
    scores, labels = mean.max(axis=1, initial=0.0), mean.argmax(axis=1)
    marks = []
    for index, box in enumerate(answer.boxes):
        label = classes[int(labels[index])]
        least = thresholds if isinstance(thresholds, float | int) else thresholds.get(label, 0.5)
        if scores[index] >= least and label in job.classes:
            marks.append(Mark(region_id(run, item, index), label, four(box)))
    return marks


PROPOSING = ProposingObjects()
