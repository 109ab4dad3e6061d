"""A set of images with objects as a COCO file, to read it again."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from training.data.coco import write_json
from training.data.detection_set import DetectionSet
from training.geometry.runs import Runs, pixels
from training.types import FloatArray


def write_coco(path: Path, data: DetectionSet) -> None:
    """Write the annotations of a set; masks as compressed runs, ignore regions as `iscrowd`."""
    entries: list[dict[str, Any]] = []
    annotations: list[dict[str, Any]] = []
    for image_id, image in enumerate(data.images, start=1):
        entry: dict[str, Any] = {
            "id": image_id,
            "file_name": image.name,
            "height": image.size[0],
            "width": image.size[1],
        }
        if image.group:
            entry["group"] = image.group
        if image.checked is not None:
            entry["checked"] = [_xywh(box) for box in image.checked]
        entries.append(entry)
        for index, (box, number) in enumerate(zip(image.boxes, image.classes, strict=True)):
            mask = None if image.masks is None else image.masks[index]
            annotations.append(_annotation(len(annotations) + 1, image_id, box, int(number) + 1, mask))
        for box in image.ignore:
            # The usual evaluation looks for crowds class by class.
            for number in range(1, len(data.classes) + 1):
                annotations.append(_annotation(len(annotations) + 1, image_id, box, number, None) | {"iscrowd": 1})
    write_json(path, data.classes, entries, annotations)


def _annotation(number: int, image_id: int, box: FloatArray, category: int, mask: Runs | None) -> dict[str, Any]:
    sides = _xywh(box)
    entry = {"id": number, "image_id": image_id, "category_id": category, "bbox": sides, "iscrowd": 0}
    return entry | ({"area": sides[2] * sides[3]} if mask is None else {"segmentation": mask, "area": pixels(mask)})


def _xywh(box: FloatArray) -> list[float]:
    x1, y1, x2, y2 = (float(value) for value in box)
    return [x1, y1, x2 - x1, y2 - y1]
