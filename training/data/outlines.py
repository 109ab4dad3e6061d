"""Outlines of some objects of a set, made the same for all: for learning, or for showing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from math import ceil
from typing import Any

import numpy as np

from training.data.detection_set import LabelledImage
from training.geometry.runs import Runs, from_window
from training.types import FloatArray


def alike(images: Sequence[LabelledImage], problems: list[str]) -> list[LabelledImage]:
    """Masks for all objects or for none: if few lack one, these become ignore regions; if most do, all become boxes.

    Args:
        images: their `masks` may hold None for objects that have a box alone.
        problems: told what happened to these.
    """
    have = sum(mask is not None for image in images for mask in image.masks or ())
    total = sum(len(image.boxes) for image in images)
    if have == total or have == 0:
        return [replace(image, masks=image.masks if have else None) for image in images]
    if have < total / 2:
        problems.append(f"Only {have} of {total} objects have an outline; all are used as boxes.")
        return [_only(image, np.ones(len(image.boxes), dtype=bool), keep_masks=False) for image in images]
    problems.append(
        f"{total - have} of {total} objects have no outline; they are excluded from training and evaluation."
    )
    marks = [
        np.array([mask is not None for mask in image.masks or [None] * len(image.boxes)], bool) for image in images
    ]
    return [_only(image, mark, keep_masks=True) for image, mark in zip(images, marks, strict=True)]


def _only(image: LabelledImage, mark: np.ndarray[Any, np.dtype[np.bool_]], *, keep_masks: bool) -> LabelledImage:
    masks = image.outlines if keep_masks else None
    ignore = np.concatenate([image.ignore, image.boxes[~mark]])
    return replace(image, boxes=image.boxes[mark], classes=image.classes[mark], masks=masks, ignore=ignore)


def outlined_by_boxes(image: LabelledImage) -> LabelledImage:
    """The image with the box as outline of each object that has none, so that no object is lost where it is shown."""
    if image.masks is None or all(image.masks):
        return image
    masks = tuple(mask or _filled(box, image.size) for mask, box in zip(image.masks, image.boxes, strict=True))
    return replace(image, masks=masks)


def _filled(box: FloatArray, size: tuple[int, int]) -> Runs:
    x1, y1, x2, y2 = int(box[0]), int(box[1]), ceil(box[2]), ceil(box[3])
    return from_window(np.ones((y2 - y1, x2 - x1), dtype=np.uint8), (x1, y1), size)
