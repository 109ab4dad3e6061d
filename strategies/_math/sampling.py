"""Sampling proportional to squared distance (k-means++), exact, without a pass over all points per pick.

Distances to a growing set of centers only fall. A point proposed by an old, too large distance and accepted with the
probability true / old is a draw from the true distribution (rejection sampling), so only proposals are computed
exactly, and all points are brought up to date, many centers in one product, when too many proposals fail.
"""

from __future__ import annotations

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from strategies._math.threads import each, spans
from strategies.base import IntArray

Float32 = NDArray[np.float32]

BLOCK_ROWS = 4096
PENDING = 48
PROPOSALS = 64
ROUNDING = 1e-6
"""Squared distances below this are rounding of float32 unit vectors."""


class Geometry(Protocol):
    """Points 0 to m - 1 whose squared distances can be had in blocks."""

    def __len__(self) -> int: ...

    def squared(self, points: IntArray | slice, centres: IntArray) -> Float32:
        """`(p, c)` squared distances of points to centers."""
        ...


class DistanceSampler:
    """Draws points with probability proportional to the squared distance to the nearest center.

    Args:
        geometry: the points.
        start: `(m,)` squared distances to centers that are there already, infinite without any.
        rng: randomness.
    """

    def __init__(self, geometry: Geometry, start: Float32, rng: np.random.Generator) -> None:
        self._geometry = geometry
        self._old = start.astype(np.float64)
        self._rng = rng
        self._pending: list[int] = []
        self._chosen = np.zeros(len(geometry), dtype=bool)
        self._nearest = np.zeros(len(geometry), dtype=np.int64)
        self._settled = 0

    def take(self, point: int) -> None:
        """Make a point a center."""
        self._pending.append(point)
        self._chosen[point] = True

    def distances(self) -> NDArray[np.float64]:
        """Exact squared distance of every point to its nearest center."""
        centres = np.array(self._pending, dtype=np.int64)

        def work(part: tuple[int, int]) -> None:
            block = slice(*part)
            gaps = self._geometry.squared(block, centres)
            owner = gaps.argmin(axis=1)
            reached = gaps[np.arange(len(gaps)), owner]
            closer = reached < self._old[block]
            self._old[block][closer] = reached[closer]
            self._nearest[block][closer] = owner[closer] + self._settled

        each(work, spans(len(self._geometry) if len(centres) else 0, BLOCK_ROWS))
        self._settled += len(centres)
        self._pending = []
        self._old[self._chosen | (self._old < ROUNDING)] = 0.0
        return self._old

    def nearest(self) -> IntArray:
        """Which center is nearest to each point `(m,)`, numbered in the order in which they were taken."""
        self.distances()
        return self._nearest

    def draw(self, count: int) -> IntArray:
        """The next `count` picks; uniform among the rest once every distance is 0."""
        picks: list[int] = []
        while len(picks) < count:
            weights = self.distances()
            total = np.cumsum(weights)
            if not total[-1] > 0:
                rest = self._rng.permutation(np.flatnonzero(~self._chosen))[: count - len(picks)]
                self._chosen[rest] = True
                return np.array([*picks, *rest.tolist()], dtype=np.int64)
            self._draw_from(total, count, picks)
        return np.array(picks, dtype=np.int64)

    def _draw_from(self, total: NDArray[np.float64], count: int, picks: list[int]) -> None:
        """Draw until the old distances are too far from the true ones."""
        while len(picks) < count and len(self._pending) < PENDING:
            spots = np.searchsorted(total, self._rng.random(PROPOSALS) * total[-1], side="right")
            proposals = np.minimum(spots, len(total) - 1)
            chances = self._rng.random(PROPOSALS)
            true = self._old[proposals]
            if self._pending:
                known = self._geometry.squared(proposals, np.array(self._pending, dtype=np.int64)).min(axis=1)
                true = np.minimum(true, known)
            accepted = 0
            for place in range(PROPOSALS):
                point = int(proposals[place])
                if self._chosen[point] or true[place] < ROUNDING or chances[place] * self._old[point] >= true[place]:
                    continue
                picks.append(point)
                self.take(point)
                accepted += 1
                if len(picks) == count or len(self._pending) == PENDING:
                    return
                latest = self._geometry.squared(proposals, np.array([point], dtype=np.int64))[:, 0]
                true = np.minimum(true, latest)
            if accepted <= PROPOSALS // 16:
                return
