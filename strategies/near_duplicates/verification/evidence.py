"""Does only one place fit? Counts windows that match where the map says and nowhere beside it, against chance.

Correlation alone cannot tell specimens apart: the outline of a cell follows the outline of another wherever two of them
are round, and it fits just as well a few pixels further along. Detail of one specimen fits in one place only. So each
window of the one picture is looked for around its place in the other, and a window counts as found when it fits best
where the map puts it. How many of those chance would give is a binomial tail (Desolneux, Moisan, Morel (2000),
Meaningful Alignments, doi:10.1023/A:1026593302236), with the rate at which windows of unlike images are found,
measured.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

WINDOW = 17
"""Px of the working picture; windows do not overlap, so that each is evidence of its own."""

HERE = 2
"""Px by which a map may be off."""

BESIDE = (5, 9)
"""Px away at which a window must not fit as well."""

FINE = 4.0
FAINT = (2.0, 4.0)
"""Gray levels of the stretched picture: windows with less spread in either picture say nothing. Strong compression
leaves the faint ones without a place, so the clearer ones are counted by themselves too."""

SELF_LIKE = 0.8
"""A window that resembles its own surroundings this much (a straight edge, an even slope) has no place of its own."""

Map = NDArray[np.float32]


@dataclass(frozen=True)
class Evidence:
    """Windows with a place of their own.

    Attributes:
        windows: how many there are.
        found: how many of them fit best where the map says.
    """

    windows: int
    found: int

    def log_chance(self, rate: float) -> float:
        """Base 10 logarithm of the chance that so many are found, when each is with probability `rate`."""
        terms = [
            math.lgamma(self.windows + 1)
            - math.lgamma(k + 1)
            - math.lgamma(self.windows - k + 1)
            + k * math.log(rate)
            + (self.windows - k) * math.log1p(-rate)
            for k in range(self.found, self.windows + 1)
        ]
        highest = max(terms)
        return min(0.0, (highest + math.log(sum(math.exp(term - highest) for term in terms))) / math.log(10))


def log_chance(counts: Sequence[Evidence], rate: float) -> float:
    """The same for the least likely of several counts, and that one could choose among them."""
    return min(0.0, min(count.log_chance(rate) for count in counts) + math.log10(len(counts)))


def count_places(moved: Map, still: Map, mask: NDArray[np.bool_]) -> list[Evidence]:
    """Count windows of two pictures that lie on each other, once for each limit of `FAINT`.

    Args:
        moved: `(h, w)` float32, one picture, brought onto the other.
        still: `(h, w)` float32, the other.
        mask: `(h, w)` bool, what both show.
    """
    half = WINDOW // 2
    grid = np.meshgrid(*(np.arange(half, size - half, WINDOW) for size in moved.shape), indexing="ij")
    y, x = (side.ravel() for side in grid)
    whole = cv2.erode(mask.astype(np.uint8), np.ones((WINDOW, WINDOW), np.uint8), borderValue=0).astype(bool)
    y, x = y[whole[y, x]], x[whole[y, x]]
    a, b = _Windows(moved), _Windows(still)
    spread = np.minimum(a.spread(y, x), b.spread(y, x))
    said = spread > min(FAINT)
    y, x, spread = y[said], x[said], spread[said]
    alone = np.maximum(_best(a, a, y, x, _RING), _best(b, b, y, x, _RING)) < SELF_LIKE
    y, x, spread = y[alone], x[alone], spread[alone]
    found = _best(a, b, y, x, _CENTRE) > _best(a, b, y, x, _RING)
    return [Evidence(int((spread > faint).sum()), int(found[spread > faint].sum())) for faint in FAINT]


def _offsets(low: float, high: float) -> list[tuple[int, int]]:
    reach = range(-math.ceil(high), math.ceil(high) + 1)
    return [(dy, dx) for dy in reach for dx in reach if low <= math.hypot(dy, dx) <= high]


_CENTRE = _offsets(0, HERE)
_RING = _offsets(*BESIDE)[::2]


class _Windows:
    """The fine detail of a picture, window by window; beyond its border it is mirrored."""

    def __init__(self, values: Map) -> None:
        detail = values - cv2.GaussianBlur(values, (0, 0), FINE)
        edge = BESIDE[1]
        padded = cv2.copyMakeBorder(detail, edge, edge, edge, edge, cv2.BORDER_REFLECT)
        self._all = np.lib.stride_tricks.sliding_window_view(padded, (WINDOW, WINDOW))
        mean = cv2.boxFilter(padded, cv2.CV_32F, (WINDOW, WINDOW))
        self._spread = np.sqrt(np.maximum(cv2.boxFilter(padded * padded, cv2.CV_32F, (WINDOW, WINDOW)) - mean**2, 1e-6))

    def spread(self, y: NDArray[np.intp], x: NDArray[np.intp]) -> NDArray[np.float32]:
        """Standard deviations of the windows centered at `(y, x)`."""
        return np.asarray(self._spread[y + BESIDE[1], x + BESIDE[1]], np.float32)

    def at(self, y: NDArray[np.intp], x: NDArray[np.intp]) -> NDArray[np.float32]:
        """`(n, WINDOW * WINDOW)` values around `(y, x)`."""
        corner = BESIDE[1] - WINDOW // 2
        return np.asarray(self._all[y + corner, x + corner], np.float32).reshape(len(y), WINDOW**2)


def _best(a: _Windows, b: _Windows, y: NDArray[np.intp], x: NDArray[np.intp], offsets: list[tuple[int, int]]) -> Map:
    """Highest correlation of each window of `a` with those of `b` at the offsets."""
    own = a.at(y, x)
    own -= own.mean(axis=1, keepdims=True)
    best = np.full(len(y), -1.0, np.float32)
    for dy, dx in offsets:
        together = np.einsum("nk,nk->n", own, b.at(y + dy, x + dx)) / WINDOW**2
        np.maximum(best, together / (a.spread(y, x) * b.spread(y + dy, x + dx)), out=best)
    return best
