"""Greedy cover by balls of one radius: each pair is looked at once, each item is taken off the counts once."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from strategies._math.kmeans import kmeans
from strategies.base import FloatArray, IntArray

Float32 = NDArray[np.float32]

BLOCK_ROWS = 1024
QUERIES = 500
RECOUNTED = 64
WHOLE = 12_000
"""Up to here the matrix of pairs is held as bytes for a moment, which halves the products."""


def pure_radius(
    vectors: FloatArray, positions: IntArray, classes: int, purity: float, rng: np.random.Generator
) -> float:
    """Largest radius at which a share `purity` of the balls holds one k-means cluster only.

    A ball is pure while its radius is below the distance to the nearest item of another cluster, so the radius is a
    quantile of those distances; measured on a sample of 500 balls.
    """
    count = min(classes, len(positions))
    label, _ = kmeans(vectors, positions, count, rng)
    if len(np.unique(label)) < 2:
        return 1.0
    chosen: IntArray = np.arange(len(positions), dtype=np.int64)
    if len(chosen) > QUERIES:
        chosen = np.sort(rng.choice(len(chosen), QUERIES, replace=False))
    rows = np.asarray(vectors[positions], dtype=np.float32)
    similarity = rows[chosen] @ rows.T
    similarity[label[chosen][:, None] == label[None, :]] = -2
    gaps = np.sort(np.sqrt(np.maximum(2 - 2 * similarity.max(axis=1), 0)))
    # A hair below the distance, so that rounding does not let the neighbour in.
    return float(gaps[int((1 - purity) * (len(gaps) - 1))]) * (1 - 1e-5)


class BallCover:
    """Which uncovered items lie within the radius of each item; one bit a pair.

    Args:
        vectors: `(n, d)` unit vectors.
        positions: `(m,)` positions to pick from and to cover.
        radius: Euclidean distance.
        centres: `(l,)` positions that cover already.
    """

    def __init__(self, vectors: FloatArray, positions: IntArray, radius: float, centres: IntArray) -> None:
        rows = np.asarray(vectors[positions], dtype=np.float32)
        least = np.float32(1 - radius * radius / 2 - 1e-6)
        covered = np.zeros(len(rows), dtype=bool)
        for start in range(0, len(centres), BLOCK_ROWS):
            block = np.asarray(vectors[centres[start : start + BLOCK_ROWS]], dtype=np.float32)
            covered |= ((block @ rows.T) >= least).any(axis=0)
        self._open = np.packbits(~covered)
        self._near = np.empty((len(rows), (len(rows) + 7) // 8), dtype=np.uint8)
        self._fill(rows, least)
        self.counts = self._count(self._near)

    def _fill(self, rows: Float32, least: np.float32) -> None:
        """Products of two blocks are taken once; the lower left blocks are the upper right ones turned."""
        near = np.zeros((len(rows), len(rows)), dtype=bool) if len(rows) <= WHOLE else None
        for start in range(0, len(rows), BLOCK_ROWS):
            stop = min(start + BLOCK_ROWS, len(rows))
            if near is not None:
                near[start:stop, start:] = (rows[start:stop] @ rows[start:].T) >= least
                near[stop:, start:stop] = near[start:stop, stop:].T
                block = near[start:stop]
            else:
                block = (rows[start:stop] @ rows.T) >= least
            block[np.arange(stop - start), np.arange(start, stop)] = True
            self._near[start:stop] = np.packbits(block, axis=1)

    def picks(self, count: int, rng: np.random.Generator) -> tuple[IntArray, NDArray[np.float64], NDArray[np.float64]]:
        """The next picks `(count,)`, how many each covered `(count,)`, and what is left for each item `(m,)`.

        Counts only fall, so old ones are bounds and only the highest are counted again.
        """
        noise = rng.permutation(len(self.counts)) / (2.0 * len(self.counts))
        scores = self.counts + noise
        fresh = np.ones(len(scores), dtype=bool)
        chosen: list[int] = []
        reached: list[float] = []
        while len(chosen) < count:
            best = int(scores.argmax())
            while not fresh[best]:
                width = min(RECOUNTED, len(scores))
                top = np.argpartition(scores, len(scores) - width)[-width:]
                stale = top[~fresh[top] & np.isfinite(scores[top])]
                scores[stale] = self._count(self._near[stale]) + noise[stale]
                fresh[stale] = True
                best = int(scores.argmax())
            chosen.append(best)
            reached.append(float(np.floor(scores[best])))
            scores[best] = -np.inf
            self._open &= ~self._near[best]
            fresh[:] = False
        self.counts = self._count(self._near)
        return np.array(chosen, dtype=np.int64), np.array(reached), self.counts.astype(np.float64)

    def _count(self, near: NDArray[np.uint8]) -> IntArray:
        """How many uncovered items each row of bits `(m, bytes)` holds."""
        return np.asarray(np.bitwise_count(near & self._open).sum(axis=1, dtype=np.int64))
