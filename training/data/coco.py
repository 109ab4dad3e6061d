"""COCO files: `images/` + `annotations.json` -> `DetectionSet`, and back.

What cannot be used is left out with one sentence each; the rest goes on. Beyond the format itself, an image may carry
`group` (its patient or slide) and `checked` (list of `[x, y, w, h]`: only there an unlabeled place is background), and
an annotation with `iscrowd` or `ignore` is a region in which nothing is learned or counted.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from pycocotools import mask as coco_mask

from training.data.detection_set import DetectionSet, LabelledImage
from training.data.images import ImageDecodeError, image_size
from training.files import write_bytes_atomic
from training.geometry.runs import Runs, box_of, compress, counts_of, pixels
from training.types import FloatArray, TrainingError

ANNOTATIONS, IMAGES = "annotations.json", "images"
Entry = Mapping[str, Any]


def is_coco_folder(folder: Path) -> bool:
    """Whether `folder` holds `annotations.json` and `images/`."""
    return (folder / ANNOTATIONS).is_file() and (folder / IMAGES).is_dir()


def read_coco(folder: Path) -> DetectionSet:
    """Read a COCO folder.

    Raises:
        TrainingError: the file is no COCO file at all, or no image of it can be used.
    """
    return read_coco_file(folder / ANNOTATIONS, partial(_inside, folder / IMAGES))


def read_coco_file(file: Path, locate: Callable[[str], Path | str]) -> DetectionSet:
    """Read a COCO file whose images lie anywhere.

    Args:
        file: the annotations.
        locate: finds the image of a `file_name`; answers a sentence where there is none.

    Raises:
        TrainingError: the file is no COCO file at all, or no image of it can be used.
    """
    content = _load(file)
    problems: list[str] = []
    categories = {int(entry["id"]): str(entry["name"]) for entry in content["categories"]}
    if len(set(categories.values())) != len(categories):
        raise TrainingError("Two categories of the COCO file have the same name; give each its own.")
    numbers = {category: number for number, category in enumerate(categories)}
    by_image: dict[Any, list[Entry]] = defaultdict(list)
    for annotation in content["annotations"]:
        by_image[annotation.get("image_id")].append(annotation)
    images = []
    for entry in content["images"]:
        image = _image(entry, locate, by_image.pop(entry.get("id"), []), numbers, problems)
        if image is not None:
            images.append(image)
    if by_image:
        problems.append(f"{sum(map(len, by_image.values()))} annotations belong to no image; they were left out.")
    if not images:
        reason = f" ({problems[0]})" if problems else ""
        where = file.parent.name or file.name
        raise TrainingError(f"No image of {where} can be used{reason}; put the files into {IMAGES}/.")
    return DetectionSet(tuple(categories.values()), tuple(alike(images, problems)), tuple(problems))


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
            annotations.append(_annotation(len(annotations) + 1, image_id, box, 1, None) | {"iscrowd": 1})
    write_json(path, data.classes, entries, annotations)


def write_json(path: Path, classes: Sequence[str], images: Sequence[Entry], annotations: Sequence[Entry]) -> None:
    """Write a COCO file whose category ids count from 1 in the order of `classes`."""
    categories = [{"id": number, "name": name} for number, name in enumerate(classes, start=1)]
    content = {"images": list(images), "annotations": list(annotations), "categories": categories}
    write_bytes_atomic(path, (json.dumps(content, allow_nan=False) + "\n").encode())


def _annotation(number: int, image_id: int, box: FloatArray, category: int, mask: Runs | None) -> dict[str, Any]:
    sides = _xywh(box)
    entry = {"id": number, "image_id": image_id, "category_id": category, "bbox": sides, "iscrowd": 0}
    return entry | ({"area": sides[2] * sides[3]} if mask is None else {"segmentation": mask, "area": pixels(mask)})


def _xywh(box: FloatArray) -> list[float]:
    x1, y1, x2, y2 = (float(value) for value in box)
    return [x1, y1, x2 - x1, y2 - y1]


def _load(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        for key in ("images", "annotations", "categories"):
            if not isinstance(content[key], list) or not all(isinstance(entry, dict) for entry in content[key]):
                raise ValueError(f"{key} is no list of objects")
        if not content["categories"]:
            raise ValueError("it names no category")
        [(int(entry["id"]), str(entry["name"])) for entry in content["categories"]]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise TrainingError(f"{path.name} is no COCO file ({error}); export the annotations as COCO JSON.") from error
    return dict(content)


def _inside(root: Path, name: str) -> Path | str:
    path = (root / name).resolve()
    return path if path.is_relative_to(root.resolve()) else f"{name} lies outside of {IMAGES}/"


def _image(
    entry: Entry,
    locate: Callable[[str], Path | str],
    annotations: list[Entry],
    numbers: Mapping[int, int],
    problems: list[str],
) -> LabelledImage | None:
    name = str(entry.get("file_name"))
    path = locate(name)
    if isinstance(path, str):
        problems.append(f"{path}; it was left out.")
        return None
    try:
        size = image_size(path)
    except ImageDecodeError as error:
        problems.append(f"{error} It was left out.")
        return None
    stated = (int(entry.get("height") or size[0]), int(entry.get("width") or size[1]))
    if stated != size:
        problems.append(
            f"{name} is {size[1]} x {size[0]} px, its annotations are for {stated[1]} x {stated[0]}; it was left out."
        )
        return None
    return _with_objects(entry, name, path, size, annotations, numbers, problems)


def _with_objects(
    entry: Entry,
    name: str,
    path: Path,
    size: tuple[int, int],
    annotations: list[Entry],
    numbers: Mapping[int, int],
    problems: list[str],
) -> LabelledImage:
    boxes, classes, masks, ignore = [], [], [], []
    for annotation in annotations:
        try:
            box, mask = _geometry(annotation, size)
            if annotation.get("iscrowd") or annotation.get("ignore"):
                ignore.append(box)
                continue
            number = numbers[int(annotation["category_id"])]
        except (TrainingError, ValueError, KeyError, TypeError) as error:
            reason = "its category is not listed" if isinstance(error, KeyError) else str(error).rstrip(".")
            problems.append(f"{name}: annotation {annotation.get('id')} was left out: {reason}.")
            continue
        boxes.append(box)
        classes.append(number)
        masks.append(mask)
    checked = entry.get("checked")
    return LabelledImage(
        path=path,
        name=name,
        size=size,
        boxes=np.array(boxes, dtype=np.float32).reshape(-1, 4),
        classes=np.array(classes, dtype=np.int64),
        masks=tuple(masks) if any(mask is not None for mask in masks) else None,  # type: ignore[arg-type]  # see alike
        ignore=np.array(ignore, dtype=np.float32).reshape(-1, 4),
        checked=None if checked is None else np.array([_corners(box, size) for box in checked]).reshape(-1, 4),
        group=str(entry.get("group") or ""),
    )


def alike(images: list[LabelledImage], problems: list[str]) -> list[LabelledImage]:
    """Masks for all objects or for none: where few lack one they become ignore regions, where most do boxes remain."""
    have = sum(mask is not None for image in images for mask in image.masks or ())
    total = sum(len(image.boxes) for image in images)
    if have == total or have == 0:
        return images
    if have < total / 2:
        problems.append(f"Only {have} of {total} objects have an outline; all are used as boxes.")
        return [_only(image, np.ones(len(image.boxes), dtype=bool), keep_masks=False) for image in images]
    problems.append(f"{total - have} of {total} objects have no outline; they are neither learned nor counted.")
    marks = [
        np.array([mask is not None for mask in image.masks or [None] * len(image.boxes)], bool) for image in images
    ]
    return [_only(image, mark, keep_masks=True) for image, mark in zip(images, marks, strict=True)]


def _only(image: LabelledImage, mark: np.ndarray[Any, np.dtype[np.bool_]], *, keep_masks: bool) -> LabelledImage:
    masks = tuple(mask for mask in image.masks or () if mask is not None) if keep_masks else None
    ignore = np.concatenate([image.ignore, image.boxes[~mark]])
    return replace(image, boxes=image.boxes[mark], classes=image.classes[mark], masks=masks, ignore=ignore)


def _geometry(annotation: Entry, size: tuple[int, int]) -> tuple[FloatArray, Runs | None]:
    segmentation = annotation.get("segmentation")
    mask = _mask(segmentation, size) if segmentation else None
    if annotation.get("bbox") is not None:
        box = _corners(annotation["bbox"], size)
    elif mask is not None:
        tight = box_of(mask)
        box = np.array(tight if tight else (0, 0, 0, 0), dtype=np.float32)
    else:
        raise TrainingError("it has neither a box nor an outline")
    if not (box[2] > box[0] and box[3] > box[1]):
        raise TrainingError("its box has no area inside the image")
    if mask is not None and not pixels(mask):
        raise TrainingError("its outline covers no pixel of the image")
    return box, mask


def _corners(box: Sequence[float], size: tuple[int, int]) -> FloatArray:
    x, y, width, height = (float(value) for value in box)
    if not np.isfinite([x, y, width, height]).all():
        raise TrainingError("its box is not finite")
    limits = np.array([size[1], size[0], size[1], size[0]], dtype=np.float32)
    return np.clip(np.array([x, y, x + width, y + height], dtype=np.float32), 0, limits)


def _mask(segmentation: Any, size: tuple[int, int]) -> Runs:
    if isinstance(segmentation, Mapping):
        if tuple(int(side) for side in segmentation.get("size", ())) != size:
            raise TrainingError("its outline is for an image of another size")
        counts = counts_of(segmentation)
        if isinstance(segmentation["counts"], str):
            return {"size": list(size), "counts": segmentation["counts"]}
        return compress(counts, size)
    rings = [[float(value) for value in ring] for ring in segmentation]
    if any(len(ring) < 6 or len(ring) % 2 or not np.isfinite(ring).all() for ring in rings):
        raise TrainingError("its polygon has fewer than three points or an odd number of values")
    packed = coco_mask.merge(coco_mask.frPyObjects(rings, *size))
    return {"size": list(size), "counts": packed["counts"].decode("ascii")}
