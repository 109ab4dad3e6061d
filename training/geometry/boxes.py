"""Boxes `x1 y1 x2 y2` in px as arrays `(r, 4)`."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Float32 = NDArray[np.float32]

VIEWS = ("identity", "horizontal", "vertical", "turned")
"""Ways to look at an image: as it is, mirrored left-right, mirrored up-down, turned by half; each undoes itself."""


def area(boxes: Float32) -> Float32:
    """`(r,)` px^2; 0 for boxes that are turned inside out."""
    sides = np.maximum(boxes[:, 2:] - boxes[:, :2], 0)
    return np.asarray(sides[:, 0] * sides[:, 1], dtype=np.float32)


def overlap(first: Float32, second: Float32) -> Float32:
    """Area of the intersection of every pair, `(r, 4)` and `(s, 4)` -> `(r, s)` px^2."""
    low = np.maximum(first[:, None, :2], second[None, :, :2])
    high = np.minimum(first[:, None, 2:], second[None, :, 2:])
    sides = np.maximum(high - low, 0)
    return np.asarray(sides[..., 0] * sides[..., 1], dtype=np.float32)


def iou(first: Float32, second: Float32) -> Float32:
    """Intersection over union of every pair, `(r, 4)` and `(s, 4)` -> `(r, s)` in [0, 1]; 0 for boxes without area.

    Example:
        >>> round(float(iou(np.float32([[0, 0, 2, 2]]), np.float32([[1, 0, 3, 2]]))[0, 0]), 3)
        0.333
    """
    shared = overlap(first, second)
    union = area(first)[:, None] + area(second)[None, :] - shared
    return np.asarray(shared / np.maximum(union, 1e-9), dtype=np.float32)


def paired_iou(first: Float32, second: Float32) -> Float32:
    """Intersection over union row by row, two `(..., 4)` -> `(...)`."""
    sides = np.maximum(np.minimum(first[..., 2:], second[..., 2:]) - np.maximum(first[..., :2], second[..., :2]), 0)
    shared = sides[..., 0] * sides[..., 1]
    areas = [np.prod(np.maximum(each[..., 2:] - each[..., :2], 0), axis=-1) for each in (first, second)]
    return np.asarray(shared / np.maximum(areas[0] + areas[1] - shared, 1e-9), dtype=np.float32)


def clip(boxes: Float32, size: tuple[int, int]) -> Float32:
    """Boxes cut to an image of `(height, width)` px."""
    height, width = size
    limits = np.array([width, height, width, height], dtype=np.float32)
    return np.clip(boxes, 0, limits).astype(np.float32)


def seen(boxes: Float32, size: tuple[int, int], view: str) -> Float32:
    """Where boxes lie in a view of an image of `(height, width)` px; the same call leads back."""
    height, width = size
    x1, y1, x2, y2 = boxes[..., 0], boxes[..., 1], boxes[..., 2], boxes[..., 3]
    if view in ("horizontal", "turned"):
        x1, x2 = width - x2, width - x1
    if view in ("vertical", "turned"):
        y1, y2 = height - y2, height - y1
    return np.stack([x1, y1, x2, y2], axis=-1).astype(np.float32)


def flip(pixels: NDArray[np.generic], view: str) -> NDArray[np.generic]:
    """The view of an array whose first two axes are rows and columns; not a copy."""
    if view in ("horizontal", "turned"):
        pixels = pixels[:, ::-1]
    if view in ("vertical", "turned"):
        pixels = pixels[::-1]
    return pixels


def suppress(boxes: Float32, scores: Float32, limit: float) -> NDArray[np.int64]:
    """Greedy non-maximum suppression: the indices kept, best first; none overlaps a better one by IoU > `limit`."""
    order = np.argsort(-scores, kind="stable")
    kept: list[int] = []
    while len(order):
        best, rest = int(order[0]), order[1:]
        kept.append(best)
        order = rest[iou(boxes[best : best + 1], boxes[rest])[0] <= limit]
    return np.array(kept, dtype=np.int64)
