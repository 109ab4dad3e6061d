"""Weighted k-means for unit vectors, fast enough to run inside a ranking.

Arthur, Vassilvitskii (2007), k-means++: The Advantages of Careful Seeding; Lloyd (1982), Least Squares Quantization in
PCM.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from strategies._math.sampling import DistanceSampler
from strategies.base import FloatArray, IntArray

Float32 = NDArray[np.float32]

TRAINED_ON = 128
"""Points per cluster that Lloyd's iterations look at; all points are assigned at the end."""
BLOCK_ROWS = 8192


@dataclass(frozen=True)
class Points:
    """Unit vectors as a `Geometry`.

    Attributes:
        vectors: `(n, d)`.
        positions: `(m,)` rows that are the points; None when all rows are.
    """

    vectors: FloatArray
    positions: IntArray | None = None

    def __len__(self) -> int:
        return len(self.vectors if self.positions is None else self.positions)

    def _rows(self, points: IntArray | slice) -> Float32:
        rows = self.vectors[points] if self.positions is None else self.vectors[self.positions[points]]
        return np.asarray(rows, dtype=np.float32)

    def squared(self, points: IntArray | slice, centres: IntArray) -> Float32:
        """See `strategies._math.sampling.Geometry`."""
        similarity = self._rows(points) @ self._rows(centres).T
        return np.asarray(np.maximum(2 - 2 * similarity, 0), dtype=np.float32)


def assign(vectors: FloatArray, positions: IntArray, centres: Float32) -> tuple[IntArray, Float32]:
    """Nearest centre `(m,)` of each row and the squared distance `(m,)`; blocks, never a second copy."""
    label = np.empty(len(positions), dtype=np.int64)
    squared = np.empty(len(positions), dtype=np.float32)
    half = np.float32(0.5) * np.einsum("ij,ij->i", centres, centres)
    for start in range(0, len(positions), BLOCK_ROWS):
        rows = np.asarray(vectors[positions[start : start + BLOCK_ROWS]], dtype=np.float32)
        score = rows @ centres.T
        score -= half
        best = score.argmax(axis=1)
        label[start : start + len(rows)] = best
        lengths = np.einsum("ij,ij->i", rows, rows)
        squared[start : start + len(rows)] = lengths - 2 * score[np.arange(len(rows)), best]
    return label, np.maximum(squared, np.float32(0))


def _means(rows: Float32, label: IntArray, weights: Float32, before: Float32) -> Float32:
    """Weighted mean of each cluster; an empty one stays where it was."""
    order = np.argsort(label, kind="stable")
    present, starts = np.unique(label[order], return_index=True)
    sums = np.add.reduceat(rows[order] * weights[order, None], starts, axis=0)
    mass = np.add.reduceat(weights[order], starts)
    centres = before.copy()
    filled = mass > 0
    centres[present[filled]] = sums[filled] / mass[filled, None]
    return centres


def kmeans(
    vectors: FloatArray,
    positions: IntArray,
    clusters: int,
    rng: np.random.Generator,
    weights: FloatArray | None = None,
    iterations: int = 12,
) -> tuple[IntArray, Float32]:
    """Cluster the rows at `positions`.

    Args:
        vectors: `(n, d)` unit vectors.
        positions: `(m,)` rows to cluster.
        clusters: how many; at most m.
        rng: randomness.
        weights: `(m,)` non-negative, or None for equal ones.
        iterations: of Lloyd, at most.

    Returns:
        `(m,)` cluster numbers and `(clusters, d)` centres.
    """
    mass = np.ones(len(positions), np.float32) if weights is None else np.asarray(weights, dtype=np.float32)
    chosen: IntArray = np.arange(len(positions), dtype=np.int64)
    if len(positions) > TRAINED_ON * clusters:
        chosen = np.sort(rng.choice(len(positions), TRAINED_ON * clusters, replace=False))
    rows, mass = np.asarray(vectors[positions[chosen]], dtype=np.float32), mass[chosen]
    if not mass.sum() > 0:
        mass = np.ones_like(mass)
    centres = rows[_seeds(rows, mass, clusters, rng)]
    every = np.arange(len(rows))
    before: IntArray = np.full(len(rows), -1, dtype=np.int64)
    for _ in range(iterations):
        label, _ = assign(rows, every, centres)
        if np.mean(before != label) < 0.002:
            break
        centres, before = _means(rows, label, mass, centres), label
    return assign(vectors, positions, centres)[0], centres


def _seeds(rows: Float32, mass: Float32, clusters: int, rng: np.random.Generator) -> IntArray:
    """k-means++ seeds; weights enter through the first one, and points without weight are no seeds."""
    sampler = DistanceSampler(Points(rows), np.where(mass > 0, np.float32(4), np.float32(0)), rng)
    first = int(rng.choice(len(rows), p=mass.astype(np.float64) / mass.sum(dtype=np.float64)))
    sampler.take(first)
    return np.concatenate([np.array([first], dtype=np.int64), sampler.draw(clusters - 1)])
