"""Farthest-first traversal, exact, without looking at most points most of the time.

Distances to a growing set of centers only fall, so a distance computed against the first few centers is an upper
bound, and a point whose bound lies below the best exact distance cannot be the farthest. `LazyFarthest` keeps for every
point a bound and the number of centers it has met, and works in a window of the points with the highest bounds:
picks are exact as long as the best point of the window is not below the highest bound outside.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from strategies._math.threads import each, spans
from strategies.base import FloatArray, IntArray

Float32 = NDArray[np.float32]

WINDOW = 2048
ACTIVE = 65_536
"""The window is drawn from the points with the highest bounds, so that most windows cost no pass over all points."""
FIRST_CENTRES = 128
"""Centers that every point meets at the start; the others are met when a point enters the window."""
BLOCK_ROWS = 4096
REFRESH_ROWS = 512


def squared_chord(similarity: Float32) -> Float32:
    """Squared Euclidean distance of unit vectors from their inner product, in place."""
    similarity *= np.float32(-2)
    similarity += np.float32(2)
    return np.maximum(similarity, np.float32(0), out=similarity)


class LazyFarthest:
    """Farthest-first picks among `candidates` from a growing set of centers.

    Args:
        vectors: `(n, d)` unit vectors, possibly memory-mapped; blocks of them are copied, never the whole.
        candidates: `(m,)` int64 positions to pick from.
        centres: `(l,)` int64 positions that are centers already.
        budget: how many picks will be asked for.
    """

    def __init__(self, vectors: FloatArray, candidates: IntArray, centres: IntArray, budget: int) -> None:
        self._vectors = vectors
        self._candidates = candidates
        self._known = len(centres)
        self._centres = np.empty((len(centres) + budget, vectors.shape[1]), dtype=np.float32)
        self._centres[: self._known] = spread_first(np.asarray(vectors[centres], dtype=np.float32), FIRST_CENTRES)
        self._met = np.full(len(candidates), min(self._known, FIRST_CENTRES), dtype=np.int64)
        self._bound = self._first_bounds(self._centres[: min(self._known, FIRST_CENTRES)])
        self._active: IntArray = np.zeros(0, dtype=np.int64)
        self._beyond = np.inf

    def _rows(self, members: IntArray) -> Float32:
        return np.asarray(self._vectors[self._candidates[members]], dtype=np.float32)

    def _first_bounds(self, centres: Float32) -> Float32:
        """Squared distances `(m,)` to a few centers, by slices of the file: a gather would copy all of it."""
        count = len(self._vectors)
        nearest = np.full(count, np.float32(-1.0))

        def work(part: tuple[int, int]) -> None:
            rows = np.asarray(self._vectors[slice(*part)], dtype=np.float32)
            (rows @ centres.T).max(axis=1, out=nearest[slice(*part)])

        each(work, spans(count if len(centres) else 0, BLOCK_ROWS))
        return squared_chord(nearest[self._candidates])

    def _refresh(self, members: IntArray, rows: Float32 | None = None) -> None:
        """Make the bounds of these candidates exact; `rows` are their vectors if somebody has read them already."""
        # In order of what they have met, so that a block repeats little.
        places = np.argsort(self._met[members], kind="stable")

        def work(part: tuple[int, int]) -> None:
            block = members[places[slice(*part)]]
            first = int(self._met[block[0]])
            if first < self._known:
                own = self._rows(block) if rows is None else rows[places[slice(*part)]]
                similarity = (own @ self._centres[first : self._known].T).max(axis=1)
                self._bound[block] = np.minimum(self._bound[block], squared_chord(similarity))

        each(work, spans(len(members), REFRESH_ROWS))
        self._met[members] = self._known

    def _add(self, candidate: int) -> None:
        self._centres[self._known] = self._vectors[self._candidates[candidate]]
        self._known += 1

    def picks(self, count: int) -> tuple[IntArray, Float32]:
        """The next `count` picks: positions `(count,)` and their squared distances `(count,)` when picked."""
        chosen: list[int] = []
        reached: list[float] = []
        if not self._known and count:
            chosen.append(self._nearest_to_mean())
            reached.append(4.0)
            self._add(chosen[0])
            self._bound[chosen[0]] = -1.0
        while len(chosen) < count:
            window, rows, outside = self._window()
            self._pick_inside(window, rows, outside, count, chosen, reached)
        return self._candidates[np.array(chosen, dtype=np.int64)], np.array(reached, dtype=np.float32)

    def _window(self) -> tuple[IntArray, Float32, float]:
        """The candidates of highest bounds, made exact, their vectors, and the highest bound among the others."""
        if not len(self._active) or self._bound[self._active].max() <= self._beyond:
            self._active, self._beyond = _highest(self._bound, ACTIVE)
        inside, outside = _highest(self._bound[self._active], WINDOW)
        window = self._active[inside]
        rows = self._rows(window)
        stale = np.flatnonzero(self._met[window] < self._known)
        self._refresh(window[stale], rows[stale])
        return window, rows, max(outside, self._beyond)

    def _pick_inside(
        self, window: IntArray, rows: Float32, outside: float, count: int, chosen: list[int], reached: list[float]
    ) -> None:
        bound = self._bound[window]
        while len(chosen) < count:
            best = int(bound.argmax())
            if bound[best] < outside:
                break
            chosen.append(int(window[best]))
            reached.append(float(bound[best]))
            self._add(chosen[-1])
            np.minimum(bound, squared_chord(rows @ rows[best]), out=bound)
            bound[best] = -1.0
        self._bound[window] = bound
        self._met[window] = self._known

    def _nearest_to_mean(self) -> int:
        """Where to begin without any center: the candidate most like all the others."""
        mean = np.zeros(self._vectors.shape[1], dtype=np.float64)
        members = np.arange(len(self._candidates))
        for start in range(0, len(members), BLOCK_ROWS):
            mean += self._rows(members[start : start + BLOCK_ROWS]).sum(axis=0, dtype=np.float64)
        direction = mean.astype(np.float32)
        similarity = [
            self._rows(members[start : start + BLOCK_ROWS]) @ direction for start in range(0, len(members), BLOCK_ROWS)
        ]
        return int(np.concatenate(similarity).argmax())

    def exact(self) -> Float32:
        """`(m,)` squared distance of every candidate to its nearest center; picked ones have 0. Costs a whole pass."""
        self._refresh(np.flatnonzero(self._met < self._known))
        return np.maximum(self._bound, np.float32(0))

    def bounds(self) -> Float32:
        """`(m,)` upper bounds of `exact`, free of charge."""
        return np.maximum(self._bound, np.float32(0))


def _highest(values: Float32, count: int) -> tuple[IntArray, float]:
    """Sorted places of the `count` highest values, and the highest of the others."""
    if len(values) <= count:
        return np.arange(len(values), dtype=np.int64), -np.inf
    top = np.argpartition(values, len(values) - count - 1)[-count - 1 :]
    return np.sort(top[1:]), float(values[top[0]])


def spread_first(rows: Float32, count: int) -> Float32:
    """The rows `(l, d)` in another order: the first `count` are picked farthest-first among them."""
    if len(rows) <= count:
        return rows
    gap = np.full(len(rows), np.float32(4.0))
    chosen: list[int] = []
    while len(chosen) < count:
        best = int(gap.argmax())
        chosen.append(best)
        np.minimum(gap, squared_chord(rows @ rows[best]), out=gap)
        gap[best] = -1.0
    rest = np.ones(len(rows), dtype=bool)
    rest[chosen] = False
    return np.concatenate([rows[chosen], rows[rest]])
