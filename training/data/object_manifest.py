"""The list of images with objects that a training job reads: JSON lines, one `ObjectSample` each."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from training.data.detection_set import DetectionSet, LabelledImage, no_boxes
from training.data.json_lines import read_lines, write_lines
from training.data.manifest import SPLITS
from training.data.outlines import alike
from training.data.split import check_no_leak
from training.geometry.runs import Runs
from training.types import FloatArray, IntArray, Json

OBJECTS = "objects.jsonl"
"""Name of the manifest in a run's folder."""


@dataclass(frozen=True)
class ObjectSample:
    """One image of a manifest; see `LabelledImage` for what its fields mean.

    Attributes:
        id: the caller's identifier.
        split: "train" or "validation".
        path: the image file.
        size: `(height, width)` px of the upright image.
        group: the leak-proof group (patient, slide, source image) the image belongs to.
        boxes: `(r, 4)` float32 px.
        classes: `(r,)` int64.
        masks: outline of each object, or None for one that has a box alone.
        ignore: `(k, 4)` float32 px.
        checked: `(c, 4)` float32 px, or None.
    """

    id: int
    split: str
    path: Path
    size: tuple[int, int]
    group: str
    boxes: FloatArray
    classes: IntArray
    masks: tuple[Runs | None, ...]
    ignore: FloatArray = field(default_factory=no_boxes)
    checked: FloatArray | None = None


def write_object_manifest(path: Path, samples: Iterable[ObjectSample]) -> None:
    """Write samples to `path` in order; readers see the old file or the whole new one."""
    entries = (
        {
            "id": sample.id,
            "split": sample.split,
            "path": str(sample.path),
            "size": list(sample.size),
            "group": sample.group,
            "boxes": np.asarray(sample.boxes, dtype=float).tolist(),
            "classes": np.asarray(sample.classes).tolist(),
            "masks": list(sample.masks),
            "ignore": np.asarray(sample.ignore, dtype=float).tolist(),
            "checked": None if sample.checked is None else np.asarray(sample.checked, dtype=float).tolist(),
        }
        for sample in samples
    )
    write_lines(path, entries)


def read_object_manifest(path: Path) -> list[ObjectSample]:
    """The samples of `path` in order.

    Raises:
        TrainingError: the file is missing, or a line is not a sample; the message names the line.
    """
    return read_lines(path, _sample)


def _sample(fields: Json) -> ObjectSample:
    if fields["split"] not in SPLITS:
        raise ValueError(f"split is {fields['split']!r}, not train or validation")
    height, width = fields["size"]
    boxes, masks = _boxes(fields["boxes"]), tuple(fields["masks"])
    classes = np.array(fields["classes"], dtype=np.int64)
    if len(classes) != len(boxes) or len(masks) != len(boxes):
        raise ValueError("the numbers of boxes, classes and masks differ")
    return ObjectSample(
        id=int(fields["id"]),
        split=str(fields["split"]),
        path=Path(fields["path"]),
        size=(int(height), int(width)),
        group=str(fields["group"]),
        boxes=boxes,
        classes=classes,
        masks=masks,
        ignore=_boxes(fields["ignore"]),
        checked=None if fields["checked"] is None else _boxes(fields["checked"]),
    )


def _boxes(values: object) -> FloatArray:
    return np.array(values, dtype=np.float32).reshape(-1, 4)


def detection_sets(
    samples: Sequence[ObjectSample], classes: Sequence[str]
) -> tuple[DetectionSet, DetectionSet, list[int]]:
    """Training and validation part.

    Outlines are learned where most objects have one; objects without one are then left out of learning and counting.

    Returns:
        Training part, validation part, and the ids of the validation images in its order.

    Raises:
        TrainingError: a group lies on both sides.
    """
    check_no_leak(samples)
    problems: list[str] = []
    images = alike([_image(sample) for sample in samples], problems)
    parts = {
        split: tuple(image for image, sample in zip(images, samples, strict=True) if sample.split == split)
        for split in SPLITS
    }
    train, validation = (DetectionSet(tuple(classes), parts[split], tuple(problems)) for split in SPLITS)
    return train, validation, [sample.id for sample in samples if sample.split == "validation"]


def _image(sample: ObjectSample) -> LabelledImage:
    return LabelledImage(
        path=sample.path,
        name=sample.path.name,
        size=sample.size,
        boxes=sample.boxes,
        classes=sample.classes,
        masks=sample.masks if any(sample.masks) else None,
        ignore=sample.ignore,
        checked=sample.checked,
        group=sample.group,
    )
