"""Label Studio's results, and what a model proposed -> `Mark`s, with as little geometry as the comparison needs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ml_backend.effort.compare import Box, Mark
from ml_backend.label_studio.config import LabelingJob
from ml_backend.label_studio.regions.ids import region_id
from ml_backend.label_studio.regions.labeled import box_in, labeled
from ml_backend.predictions.packing import Found


def marks_of(results: Iterable[Any], job: LabelingJob) -> list[Mark]:
    """The labeled regions of an annotation or a prediction; other results and regions without a label are left out."""
    marks = []
    for each in labeled(results, job):
        box = None if each.origin or not job.finds_objects else box_in(each.result)
        four = None if box is None else _four(box.tolist())
        marks.append(Mark(each.id, each.label, four, each.origin, whole=not job.finds_objects))
    return marks


def proposed_class(run: int, item: int, label: str) -> list[Mark]:
    """The class that was proposed for a whole image."""
    return [Mark(region_id(run, item), label, whole=True)]


def proposed_objects(
    run: int, item: int, found: Found, job: LabelingJob, thresholds: Mapping[str, float] | float
) -> list[Mark]:
    """The objects that were proposed on an image, as `label_studio.regions.objects.regions_of` chooses them."""
    answer, classes = found.detections, found.classes
    mean = answer.probs.mean(axis=0)[:, : len(classes)]
    scores, labels = mean.max(axis=1, initial=0.0), mean.argmax(axis=1)
    marks = []
    for index, box in enumerate(answer.boxes):
        label = classes[int(labels[index])]
        least = thresholds if isinstance(thresholds, float | int) else thresholds.get(label, 0.5)
        if scores[index] >= least and label in job.classes:
            marks.append(Mark(region_id(run, item, index), label, _four(box)))
    return marks


def _four(values: Sequence[float]) -> Box:
    x1, y1, x2, y2 = (float(value) for value in values)
    return x1, y1, x2, y2
