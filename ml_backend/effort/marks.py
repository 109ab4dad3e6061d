"""Label Studio's results, and what a model proposed -> `Mark`s, with as little geometry as the comparison needs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ml_backend.effort.compare import Box, Mark
from ml_backend.errors import BadRequest
from ml_backend.label_studio.config import LabelingJob
from ml_backend.label_studio.regions.ids import region_id
from ml_backend.predictions.packing import Found

Result = Mapping[str, Any]
MOST = 1e6
"""Assumed size, px, of an image whose size is unknown; only ratios matter."""


def marks_of(results: Iterable[Any], job: LabelingJob) -> list[Mark]:
    """The labeled regions of an annotation or a prediction; other results and regions without a label are left out."""
    kinds = {job.from_name: "choices"} if not job.finds_objects else {c.from_name: c.type for c in job.controls}
    marks = []
    for result in results:
        kind = kinds.get(str(result.get("from_name"))) if isinstance(result, Mapping) else None
        if kind is None or result.get("type") != kind:
            continue
        label = _label(result, kind)
        if not label:
            continue
        origin = str(result.get("origin") or "")
        box = None if origin or not job.finds_objects else _box(result)
        marks.append(Mark(str(result.get("id", "")), label, box, origin, whole=not job.finds_objects))
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


def _label(result: Result, kind: str) -> str:
    value = result.get("value")
    labels = value.get(kind) if isinstance(value, Mapping) else None
    return str(labels[0]) if isinstance(labels, list) and labels else ""


def _box(result: Result) -> Box | None:
    # Imported late: shapes need OpenCV, and regions made in the editor never come here.
    from ml_backend.label_studio.regions.shapes import bounding_box, shape_of

    height, width = result.get("original_height"), result.get("original_width")
    size = (height, width) if isinstance(height, int) and isinstance(width, int) else (int(MOST), int(MOST))
    try:
        box = bounding_box(shape_of(result["value"], size), size)
    except (BadRequest, KeyError):
        return None
    return None if box is None else _four(box.tolist())
