"""Scores of single items from their regions' probabilities, in chunks that stay in the processor's cache."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from strategies.base import IntArray, Pool, StrategyError

Float32 = NDArray[np.float32]
Float64 = NDArray[np.float64]
Score = Callable[[Float32], Float32]
"""`(members, r, classes)` float32 -> `(r,)`, higher = more unsure."""

AGGREGATES = ("mean", "max", "sum")
CHUNK_BYTES = 1 << 19


def region_scores(pool: Pool, score: Score) -> Float32:
    """`score` of every region `(regions,)` float32; never holds a second copy of the probabilities."""
    members, regions, classes = pool.probs.shape
    out = np.zeros(regions, dtype=np.float32)
    step = max(1, CHUNK_BYTES // (4 * max(1, members * classes)))
    for start in range(0, regions, step):
        chunk = pool.probs[:, start : start + step].astype(np.float32, copy=False)
        out[start : start + step] = score(chunk)
    return out


def per_item(scores: Float32, offsets: IntArray, aggregate: str) -> Float64:
    """Fold region scores `(regions,)` into one number per item `(n,)`; an item without regions gets 0.

    Raises:
        StrategyError: an unknown aggregate.
    """
    if aggregate not in AGGREGATES:
        raise StrategyError(f"Regions are folded by one of {', '.join(AGGREGATES)}, not {aggregate!r}.")
    counts = np.diff(offsets)
    if len(scores) == len(counts) and np.all(counts == 1):
        return scores.astype(np.float64)
    out = np.zeros(len(counts), dtype=np.float64)
    filled = np.flatnonzero(counts)
    if not len(filled):
        return out
    fold = np.maximum if aggregate == "max" else np.add
    out[filled] = fold.reduceat(scores, offsets[filled])
    if aggregate == "mean":
        out[filled] /= counts[filled]
    return out


def item_scores(pool: Pool, score: Score, aggregate: str) -> Float64:
    """`score` of every item `(n,)` float64."""
    return per_item(region_scores(pool, score), pool.offsets, aggregate)


def best(pool: Pool, utilities: Float64, budget: int) -> IntArray:
    """The `budget` candidates of highest utility, ties by lower position."""
    candidates = pool.open
    values = utilities[candidates]
    if budget < len(candidates):
        limit = np.partition(values, len(values) - budget)[len(values) - budget]
        keep = values >= limit
        candidates, values = candidates[keep], values[keep]
    return candidates[np.argsort(-values, kind="stable")][:budget].astype(np.int64)
