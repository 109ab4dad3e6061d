"""What every strategy of this family reads from the regions of a detector."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from strategies._math.pointwise import Float32, region_scores
from strategies._math.simplex import consensus
from strategies.base import IntArray, Pool


def foreground(pool: Pool) -> Float32:
    """Probability of the most likely class other than the background, `(regions,)`."""
    return region_scores(pool, lambda probs: consensus(probs)[:, :-1].max(axis=1, initial=0.0))


def objectness(pool: Pool) -> Float32:
    """Probability that there is an object at all, `(regions,)`."""
    return region_scores(pool, lambda probs: np.asarray(1 - consensus(probs)[:, -1], dtype=np.float32))


def labels_of(pool: Pool) -> IntArray:
    """Most likely class other than the background, `(regions,)`; 0 where there is no other."""
    if pool.probs.shape[2] < 2:
        return np.zeros(pool.probs.shape[1], dtype=np.int64)
    return region_scores(pool, lambda probs: consensus(probs)[:, :-1].argmax(axis=1).astype(np.float32)).astype(
        np.int64
    )


def weighted_mean(
    values: NDArray[np.floating], weights: NDArray[np.floating], offsets: IntArray
) -> NDArray[np.float64]:
    """Mean of region values `(regions,)` by weight for each item `(n,)`; 0 for an item without regions or weight."""
    running = np.concatenate([[0.0], np.cumsum(values.astype(np.float64) * weights)])
    mass = np.concatenate([[0.0], np.cumsum(weights.astype(np.float64))])
    total = running[offsets[1:]] - running[offsets[:-1]]
    weight = mass[offsets[1:]] - mass[offsets[:-1]]
    return np.where(weight > 1e-12, total / np.maximum(weight, 1e-12), 0.0)
