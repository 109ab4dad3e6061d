"""Several annotations of one task -> one confirmed set of objects, by a stated rule.

1. Skipped annotations say nothing.
2. Ground-truth annotations win over all others.
3. Of those left, the one that was changed last counts, as a whole: sets of objects are never mixed.
4. An annotation without regions says that the image was looked at and holds no object; one that was made altogether
   with controls that the labeling config does not have (any more) says nothing.
5. A submitted annotation vouches for the whole image, so an unmarked place is background. Where it has regions with a
   "checked" label, it vouches for these alone: objects outside of them are learned, their surroundings are unknown.
6. In regions with an "ignore" label nothing is learned or counted. The same holds for regions without a label and with
   one that the labeling config does not have (any more): somebody saw something there, so it is no background.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ml_backend.geometry.results import Region, read_results
from ml_backend.geometry.shapes import Rectangle, Size, bounding_box, mask_of
from ml_backend.label_config import LabelingJob
from ml_backend.labels import SKIPPED, Annotated, age
from training.data.detection_set import no_boxes
from training.geometry.runs import Runs, pixels
from training.types import FloatArray, IntArray

NO_LABEL = "(no label)"
ELSEWHERE = "made with controls that the labeling config does not have"
Result = Mapping[str, Any]


@dataclass(frozen=True)
class ConfirmedObjects:
    """Attributes:
    results: task id -> Label Studio's results of the annotation that counts.
    left_out: task id -> why its annotations say nothing.
    """

    results: Mapping[int, Sequence[Result]]
    left_out: Mapping[int, str]


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
    return not results or any(entry.get("from_name") in job.tags for entry in results)


def count_objects(results: Iterable[Sequence[Result]], job: LabelingJob) -> dict[str, int]:
    """Drawn objects of each class, without a look at their shapes."""
    names = {control.from_name: control.type for control in job.controls}
    counted: Counter[str] = Counter()
    for result in results:
        for entry in result:
            kind = names.get(str(entry.get("from_name")))
            if kind is not None and entry.get("type") == kind:
                counted[_label(entry, kind)] += 1
    return {name: counted[name] for name in job.classes}


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
        label = _label(result, control.type)
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


def _label(result: Result, kind: str) -> str:
    value = result.get("value")
    labels = value.get(kind) if isinstance(value, Mapping) else None
    return str(labels[0]) if isinstance(labels, list) and labels else NO_LABEL
