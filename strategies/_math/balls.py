"""Greedy cover by balls of one radius: each pair is looked at once, each item is taken off the counts once."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from strategies._math.kmeans import kmeans
from strategies.base import FloatArray, IntArray

Float32 = NDArray[np.float32]

BLOCK_ROWS = 1024
QUERIES = 1000
WHOLE = 12_000
"""Up to here the matrix of pairs is held as bytes for a moment, which halves the products."""


def pure_radius(
    vectors: FloatArray, positions: IntArray, classes: int, purity: float, rng: np.random.Generator
) -> float:
    """Largest radius at which a share `purity` of the balls holds one k-means cluster only.

    A ball is pure while its radius is below the distance to the nearest item of another cluster, so the radius is a
    quantile of those distances; measured on a sample of 1,000 balls.
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
    return float(np.nextafter(gaps[int((1 - purity) * (len(gaps) - 1))], np.float32(0)))


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
        self._covered = np.zeros(len(rows), dtype=bool)
        for start in range(0, len(centres), BLOCK_ROWS):
            block = np.asarray(vectors[centres[start : start + BLOCK_ROWS]], dtype=np.float32)
            self._covered |= ((block @ rows.T) >= least).any(axis=0)
        self._near = np.empty((len(rows), (len(rows) + 7) // 8), dtype=np.uint8)
        self.counts = np.empty(len(rows), dtype=np.int64)
        self._fill(rows, least)

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
            self.counts[start:stop] = (block & ~self._covered).sum(axis=1)

    def picks(self, count: int, rng: np.random.Generator) -> tuple[IntArray, NDArray[np.float64], NDArray[np.float64]]:
        """The next picks `(count,)`, how many each covered `(count,)`, and what is left for each item `(m,)`."""
        scores = self.counts + rng.permutation(len(self.counts)) / (2.0 * len(self.counts))
        chosen: list[int] = []
        reached: list[float] = []
        while len(chosen) < count:
            best = int(scores.argmax())
            chosen.append(best)
            reached.append(float(self.counts[best]))
            scores[best] = -np.inf
            fresh = np.flatnonzero(np.unpackbits(self._near[best], count=len(scores)).astype(bool) & ~self._covered)
            self._covered[fresh] = True
            for start in range(0, len(fresh), BLOCK_ROWS):
                rows = np.unpackbits(self._near[fresh[start : start + BLOCK_ROWS]], axis=1, count=len(scores))
                lost = rows.sum(axis=0, dtype=np.int32)
                self.counts -= lost
                scores -= lost
        return np.array(chosen, dtype=np.int64), np.array(reached), self.counts.astype(np.float64)
