"""Polygons <-> small bitmaps, with the rule that a pixel belongs to a shape when its center does.

Tracing runs through the middle between pixel centers, so filling a traced outline gives back exactly the bitmap it came
from; simplification then gives up points for at most a stated loss of IoU.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from contourpy import FillType, LineType, SerialContourGenerator, ZInterp
from numpy.typing import NDArray

from training.geometry.runs import Bitmap

Points = NDArray[np.float64]
"""`(n, 2)` x, y in px; the last point is joined to the first."""

TOLERANCE = 0.01
"""Share of IoU that a simplified outline may lose."""


def _grid(side: int) -> NDArray[np.float64]:
    """x and y of the pixel centers of a bitmap with a border of one pixel, `(2, side, side)`."""
    y, x = np.indices((side, side), dtype=np.float64) - 0.5
    return np.stack([x, y])


_GRID = _grid(130)
_NOT_MASKED: Any = None
"""contourpy takes None here, its types do not say so."""
LARGEST_STEP = 2.0
"""px by which a simplified line may leave the traced one at most."""


@dataclass(frozen=True)
class Outline:
    """A polygon that stands for a mask.

    Attributes:
        points: `(n, 2)` float64 px.
        iou: with the mask it stands for; parts and holes that a polygon cannot show lower it.
    """

    points: Points
    iou: float


def fill(points: Points, window: tuple[int, int, int, int]) -> Bitmap:
    """The pixels of a window `x1 y1 x2 y2` whose centers lie inside a polygon (even-odd rule), `(h, w)` uint8 of 0, 1.

    Example:
        >>> int(fill(np.array([[0, 0], [3, 0], [3, 2], [0, 2]], float), (0, 0, 5, 5)).sum())
        6
    """
    x1, y1, x2, y2 = window
    height, width = y2 - y1, x2 - x1
    if height <= 0 or width <= 0 or len(points) < 3:
        return np.zeros((max(height, 0), max(width, 0)), dtype=np.uint8)
    start = points - (x1 + 0.5, y1 + 0.5)
    end = np.concatenate([start[1:], start[:1]])
    # Rows whose center line each edge crosses: a half-open interval, so that shared corners count once.
    low, high = np.minimum(start[:, 1], end[:, 1]), np.maximum(start[:, 1], end[:, 1])
    first = np.clip(np.ceil(low), 0, height).astype(np.int64)
    last = np.clip(np.ceil(high), 0, height).astype(np.int64)
    counts = last - first
    edge = np.repeat(np.arange(len(points)), counts)
    row = np.arange(len(edge)) - np.repeat(np.cumsum(counts) - counts, counts) + first[edge]
    slope = (end[edge, 0] - start[edge, 0]) / (end[edge, 1] - start[edge, 1])
    crossing = start[edge, 0] + (row - start[edge, 1]) * slope
    column = np.clip(np.ceil(crossing), 0, width).astype(np.int64)
    toggles = np.bincount(row * (width + 1) + column, minlength=height * (width + 1)).reshape(height, width + 1)
    # Sums may run over 255: only whether they are odd counts.
    return np.cumsum(toggles[:, :width], axis=1, dtype=np.uint8) & np.uint8(1)


def window_of(points: Points, size: tuple[int, int]) -> tuple[int, int, int, int]:
    """The whole px `x1 y1 x2 y2` that a polygon can touch inside an image of `(height, width)`."""
    height, width = size
    low, high = np.floor(points.min(axis=0)), np.ceil(points.max(axis=0))
    x1, y1 = int(np.clip(low[0], 0, width)), int(np.clip(low[1], 0, height))
    return x1, y1, int(np.clip(high[0], x1, width)), int(np.clip(high[1], y1, height))


def trace(bitmap: Bitmap) -> list[Points]:
    """The outer outline of each connected part of a bitmap, largest first, in px from its upper left corner."""
    return [ring for area, ring in _rings(bitmap) if area > 0]


def outline(bitmap: Bitmap, corner: tuple[int, int] = (0, 0), tolerance: float = TOLERANCE) -> Outline:
    """One polygon for a mask: its largest part, with as few points as the tolerance allows.

    Args:
        bitmap: `(h, w)`, not 0 inside, at least one pixel.
        corner: x, y of its upper left pixel in the image.
        tolerance: share of IoU with the traced part that may be lost; 0 keeps every corner.
    """
    rings = _rings(bitmap)
    ring = rings[0][1]
    window = (0, 0, bitmap.shape[1], bitmap.shape[0])
    inside = bitmap != 0
    part = inside if len(rings) == 1 else fill(ring, window) != 0
    filled, kept, iou = part, ring, 1.0
    perimeter = float(np.abs(np.diff(ring, axis=0, append=ring[:1])).sum())
    # Points that leave the line by `step` lose about a third of `perimeter * step`.
    step = min(3 * tolerance * rings[0][0] / perimeter, LARGEST_STEP)
    for _ in range(3 if tolerance > 0 else 0):
        fewer = cv2.approxPolyDP(ring.astype(np.float32)[:, None], step, True)[:, 0].astype(np.float64)
        if len(fewer) >= 3:
            trial = fill(fewer, window) != 0
            share = _iou(part, trial)
            if share >= 1 - tolerance:
                filled, kept, iou = trial, fewer, share
                break
        step /= 2
    return Outline(kept + corner, iou if part is inside else _iou(inside, filled))


def _rings(bitmap: Bitmap) -> list[tuple[float, Points]]:
    """Area (px^2, negative for holes) and line of every closed outline, the largest part first."""
    padded = np.zeros((bitmap.shape[0] + 2, bitmap.shape[1] + 2), dtype=np.float64)
    padded[1:-1, 1:-1] = bitmap != 0
    height, width = padded.shape
    grid = _GRID if max(padded.shape) <= len(_GRID[0]) else _grid(max(padded.shape))
    columns, rows = grid[0, :height, :width], grid[1, :height, :width]
    # The class itself: contourpy's convenience function takes three times as long as the tracing of a nucleus.
    generator = SerialContourGenerator(
        columns,
        rows,
        padded,
        _NOT_MASKED,
        corner_mask=False,
        line_type=LineType.Separate,
        fill_type=FillType.OuterCode,
        quad_as_tri=False,
        z_interp=ZInterp.Linear,
        x_chunk_size=0,
        y_chunk_size=0,
    )
    rings = [np.asarray(ring[:-1], dtype=np.float64) for ring in generator.lines(0.5)]
    # contourpy runs around high ground one way and around holes the other.
    return sorted(((_signed_area(ring), ring) for ring in rings), key=lambda pair: -pair[0])


def _signed_area(ring: Points) -> float:
    x, y = ring[:, 0], ring[:, 1]
    return float(x[:-1] @ y[1:] - x[1:] @ y[:-1] + x[-1] * y[0] - x[0] * y[-1]) / 2


def _iou(first: NDArray[np.bool_], second: NDArray[np.bool_]) -> float:
    return int(np.count_nonzero(first & second)) / max(int(np.count_nonzero(first | second)), 1)
