"""Whole frames compared in eight turns: finds copies that were turned, mirrored, resized, re-encoded or restained.

An embedding moves far under a quarter turn or strong compression; a tiny picture of the whole frame hardly does, and
costs a thousandth. Only a proposal: what decides is the look at the pixels.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from strategies.base import FloatArray, IntArray, StrategyError
from strategies.near_duplicates.index import NeighbourSearch, VectorIndex

SIDE = 16
DIMENSION = SIDE * SIDE

RADIUS = 0.1
"""Cosine distance. Among 66 images of eight sets every copy at half size, of JPEG quality 30, mirrored, turned by 90
degrees or stained otherwise lay within 0.013. Another image within 0.1 had none of 350 single cells of three sets, and
one in nine of the 26 in a set of bare red cells on black."""

_BROAD = 1.5
_NARROWEST_SPAN = 40.0
_FAINT = 2.0
# one float32 product differs with its batch: the index proposes a bit more, float64 decides
_ROUNDING = 1e-3

Near = list[dict[int, float]]
"""For each query: number -> cosine distance of the nearest turn."""


def frame(pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
    """`(256,)` float32 of unit length from `(h, w, 3)` uint8: gray, squeezed to 16 px, without its broad shading.

    A frame with hardly any detail gives zeros; it is never proposed.
    """
    grey = cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY)
    low, high = np.percentile(grey[::2, ::2], [0.5, 99.5])
    small = cv2.resize(grey.astype(np.float32), (SIDE, SIDE), interpolation=cv2.INTER_AREA)
    small *= 255.0 / max(high - low, _NARROWEST_SPAN)
    detail = small - cv2.GaussianBlur(small, (0, 0), _BROAD, borderType=cv2.BORDER_REFLECT)
    detail -= detail.mean()
    length = float(np.linalg.norm(detail))
    if length <= _FAINT * SIDE:
        return np.zeros(DIMENSION, np.float32)
    return np.asarray(detail / length, np.float32).ravel()


def _order_of_turns() -> IntArray:
    square = np.arange(DIMENSION).reshape(SIDE, SIDE)
    return np.stack([np.rot90(side, quarter).ravel() for side in (square, square[:, ::-1]) for quarter in range(4)])


_TURNS = _order_of_turns()


class FrameIndex:
    """Frames of representatives by number; a frame without detail is left out.

    Args:
        radius: largest cosine distance in the best of eight turns.
        index: an empty one; exact unless another is given.
    """

    def __init__(self, radius: float = RADIUS, index: NeighbourSearch | None = None) -> None:
        self.radius = radius
        self._index = VectorIndex(DIMENSION) if index is None else index
        self._numbers: list[int] = []

    def add(self, frames: FloatArray, numbers: IntArray) -> None:
        """Remember `(k, 256)` frames under `(k,)` numbers."""
        rows, detailed = _checked(frames)
        self._index.add(rows[detailed])
        self._numbers += np.asarray(numbers)[detailed].tolist()

    def near(self, frames: FloatArray) -> Near:
        """Numbers near each of `(n, 256)` frames, among those remembered so far."""
        rows, detailed = _checked(frames)
        found: Near = [{} for _ in rows]
        if not len(detailed):
            return found
        views = rows[detailed][:, _TURNS].reshape(-1, DIMENSION)
        lims, _, positions = self._index.within(views, self.radius + _ROUNDING)
        for place, row in enumerate(detailed.tolist()):
            close = np.unique(positions[lims[8 * place] : lims[8 * (place + 1)]])
            for position, other in zip(close.tolist(), self._index.vectors(close), strict=True):
                distance = turned_distance(rows[row], other)
                if distance <= self.radius:
                    found[row][self._numbers[position]] = distance
        return found

    def near_each_other(self, frames: FloatArray) -> Near:
        """For each of `(n, 256)` frames the rows of near ones before it."""
        inside = FrameIndex(self.radius)
        inside.add(frames, np.arange(len(frames)))
        return [{other: d for other, d in near.items() if other < row} for row, near in enumerate(inside.near(frames))]


def turned_distance(first: NDArray[np.float32], second: NDArray[np.float32]) -> float:
    """Cosine distance of two `(256,)` frames in the best turn, bit for bit the same in any batch."""
    views = first.astype(np.float64)[_TURNS]
    return float(np.min(np.sum((views - second.astype(np.float64)) ** 2, axis=1)) / 2.0)


def _checked(frames: FloatArray) -> tuple[NDArray[np.float32], IntArray]:
    rows = np.ascontiguousarray(frames, np.float32)
    if rows.ndim != 2 or rows.shape[1] != DIMENSION:
        raise StrategyError(f"Frames have shape {rows.shape}, (n, {DIMENSION}) was expected; make them with `frame`.")
    return rows, np.flatnonzero(np.einsum("ij,ij->i", rows, rows) > 0.5)
