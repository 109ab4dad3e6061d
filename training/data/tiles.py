"""Large images in overlapping tiles, and what was found on them put together without double objects at the seams."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from training.geometry.boxes import area, overlap
from training.types import FloatArray, IntArray

EDGE = 2.0
"""px of the tile: a box this close to an inner edge of its tile was probably cut there."""


@dataclass(frozen=True)
class Tile:
    """A window `x1 y1 x2 y2` in whole px, ends exclusive."""

    x1: int
    y1: int
    x2: int
    y2: int

    @property
    def box(self) -> FloatArray:
        """`(4,)` float32."""
        return np.array([self.x1, self.y1, self.x2, self.y2], dtype=np.float32)


def tiles(size: tuple[int, int], side: int, overlap_px: int) -> list[Tile]:
    """Windows of at most `side` px that cover an image and overlap by at least `overlap_px`, row by row, evenly spread.

    Args:
        size: `(height, width)` px.
        side: px of a tile.
        overlap_px: px, less than `side`.

    Example:
        >>> [(t.x1, t.x2) for t in tiles((100, 250), 100, 20)]
        [(0, 100), (75, 175), (150, 250)]
    """
    rows, columns = (_starts(length, side, overlap_px) for length in size)
    height, width = size
    return [Tile(x, y, min(x + side, width), min(y + side, height)) for y in rows for x in columns]


def _starts(length: int, side: int, overlap_px: int) -> list[int]:
    if length <= side:
        return [0]
    steps = math.ceil((length - side) / max(1, side - overlap_px))
    return [round(index * (length - side) / steps) for index in range(steps + 1)]


def merge(
    boxes: Sequence[FloatArray],
    scores: Sequence[FloatArray],
    classes: Sequence[IntArray],
    windows: Sequence[Tile],
    size: tuple[int, int],
    limit: float = 0.5,
) -> NDArray[np.int64]:
    """Which of all boxes of all tiles to keep.

    A box cut by an inner edge gives way to a whole one of its class that covers most of it; of two boxes of one class
    from different tiles that overlap by IoU > `limit` the better one stays. Boxes of one tile do not suppress each
    other: the tile's own prediction has settled that.

    Args:
        boxes: per tile `(r, 4)` float32 in px of the whole image.
        scores: per tile `(r,)`.
        classes: per tile `(r,)`.
        windows: the tiles.
        size: `(height, width)` px of the image.
        limit: IoU from which two boxes are one object.

    Returns:
        Indices into the concatenation of all tiles, rising.
    """
    counts = [len(part) for part in boxes]
    if len(windows) < 2 or not sum(counts):
        return np.arange(sum(counts), dtype=np.int64)
    every = np.concatenate(boxes)
    labels = np.concatenate(classes)
    owner = np.repeat(np.arange(len(windows)), counts)
    cut = np.concatenate([_cut(part, tile, size) for part, tile in zip(boxes, windows, strict=True)])
    # Whole boxes first, whatever their score: a cut half often scores as well as the whole object.
    order = np.lexsort((-np.concatenate(scores), cut))
    areas = area(every)
    kept = np.zeros(len(every), dtype=bool)
    for index in order:
        rivals = np.flatnonzero(kept & (labels == labels[index]) & (owner != owner[index]))
        if len(rivals):
            shared = overlap(every[index : index + 1], every[rivals])[0]
            union = areas[index] + areas[rivals] - shared
            same = shared > limit * union
            if cut[index]:
                same |= shared > 0.6 * areas[index]
            if same.any():
                continue
        kept[index] = True
    return np.flatnonzero(kept)


def _cut(boxes: FloatArray, tile: Tile, size: tuple[int, int]) -> NDArray[np.bool_]:
    """Which boxes end at an edge of their tile that is not an edge of the image."""
    height, width = size
    at_left = (boxes[:, 0] < tile.x1 + EDGE) & (tile.x1 > 0)
    at_top = (boxes[:, 1] < tile.y1 + EDGE) & (tile.y1 > 0)
    at_right = (boxes[:, 2] > tile.x2 - EDGE) & (tile.x2 < width)
    at_bottom = (boxes[:, 3] > tile.y2 - EDGE) & (tile.y2 < height)
    return np.asarray(at_left | at_top | at_right | at_bottom)
