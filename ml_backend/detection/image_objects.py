"""The regions of one confirmed annotation -> objects in px, by the rules at the top of `confirmed`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ml_backend.detection.confirmed import NO_LABEL, Result, label_in
from ml_backend.geometry.results import Region, read_results
from ml_backend.geometry.shapes import Rectangle, Size, bounding_box, mask_of
from ml_backend.label_config import LabelingJob
from training.data.detection_set import no_boxes
from training.geometry.runs import Runs, pixels
from training.types import FloatArray, IntArray


@dataclass(frozen=True)
class ImageObjects:
    """What is known about the objects of one image.

    Attributes:
        boxes: `(r, 4)` float32 px, inside the image.
        classes: `(r,)` int64, index into the job's classes.
        masks: outline of each object, None for one drawn as a box.
        ignore: `(k, 4)` float32 px, where nothing is learned or counted.
        checked: `(c, 4)` float32 px that were searched completely; None: the whole image was.
        left_out: one sentence for each region that is no object, and why.
    """

    boxes: FloatArray
    classes: IntArray
    masks: tuple[Runs | None, ...]
    ignore: FloatArray
    checked: FloatArray | None
    left_out: tuple[str, ...]


def drawn_upright(results: Sequence[Result], size: Size) -> bool:
    """Whether every region was made over the upright picture, so that nobody has to ask the file how it is turned."""
    stated = {(result.get("original_height"), result.get("original_width")) for result in results}
    return stated <= {size, (None, None)}


def objects_on(results: Sequence[Result], job: LabelingJob, size: Size, *, orientation: int = 1) -> ImageObjects:
    """The objects of one image; what cannot be used is named, the rest goes on.

    Args:
        results: of the annotation that counts.
        job: the labeling job.
        size: `(height, width)` px of the upright image.
        orientation: EXIF orientation of the file, for regions that were made over the stored picture.
    """
    reading = read_results(*_readable(results, job), size, orientation=orientation)
    left_out = list(reading.left_out)
    found = _Sorted()
    for region in reading.regions:
        box = bounding_box(region.shape, size)
        if box is None:
            left_out.append(f"Region {region.id} covers no pixel of the image; draw it again.")
        elif region.label in job.checked:
            found.checked.append(box)
        elif region.label in job.ignore:
            found.ignore.append(box)
        elif region.label in job.classes:
            left_out += found.add(region, box, job, size)
        else:
            found.ignore.append(box)
            left_out.append(_foreign(region))
    return found.objects(left_out)


class _Sorted:
    """Regions by what they mean."""

    def __init__(self) -> None:
        self.boxes: list[NDArray[np.float32]] = []
        self.classes: list[int] = []
        self.masks: list[Runs | None] = []
        self.ignore: list[NDArray[np.float32]] = []
        self.checked: list[NDArray[np.float32]] = []

    def add(self, region: Region, box: NDArray[np.float32], job: LabelingJob, size: Size) -> list[str]:
        mask = None if job.kind == "detection" or isinstance(region.shape, Rectangle) else mask_of(region.shape, size)
        if mask is not None and not pixels(mask):
            self.ignore.append(box)
            return [f"Region {region.id} covers no pixel of the image; draw it again."]
        self.boxes.append(box)
        self.classes.append(job.classes.index(region.label))
        self.masks.append(mask)
        return []

    def objects(self, left_out: Sequence[str]) -> ImageObjects:
        return ImageObjects(
            boxes=_stacked(self.boxes),
            classes=np.array(self.classes, dtype=np.int64),
            masks=tuple(self.masks),
            ignore=_stacked(self.ignore),
            checked=_stacked(self.checked) if self.checked else None,
            left_out=tuple(left_out),
        )


def _stacked(boxes: Sequence[NDArray[np.float32]]) -> FloatArray:
    return np.stack(boxes).astype(np.float32) if boxes else no_boxes()


def _foreign(region: Region) -> str:
    what = "has no label" if region.label == NO_LABEL else f"has the label {region.label!r}, which the config lacks"
    return f"Region {region.id} {what}; its place is neither learned nor counted. Relabel it."


def _readable(results: Sequence[Result], job: LabelingJob) -> tuple[list[Result], list[Any]]:
    """Results and controls such that regions with foreign labels, or none, are read like the others."""
    controls = {control.from_name: control for control in job.controls}
    readable: list[Result] = []
    for result in [*results, *_unlabelled(results, job)]:
        control = controls.get(str(result.get("from_name")))
        value = result.get("value")
        if control is None or result.get("type") != control.type or not isinstance(value, Mapping):
            readable.append(result)
            continue
        label = label_in(result, control.type)
        readable.append({**result, "value": {**value, control.type: [label]}})
        if label not in control.classes:
            controls[control.from_name] = replace(control, classes=(*control.classes, label))
    return readable, list(controls.values())


def _unlabelled(results: Sequence[Result], job: LabelingJob) -> list[Result]:
    """Regions of a `Rectangle`, `Polygon`, ... that nobody gave a label with the `Labels` beside it."""
    tools = {form.drawn_by: form.control.from_name for form in job.forms if form.drawn_by}
    labelled = {result.get("id") for result in results if result.get("type") == "labels"}
    return [
        {**result, "from_name": tools[str(result.get("from_name"))], "type": "labels"}
        for result in results
        if str(result.get("from_name")) in tools and result.get("id") not in labelled
    ]
