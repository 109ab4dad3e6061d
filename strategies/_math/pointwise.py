"""Scores of single items from their regions' probabilities: one read of the probabilities, in chunks that stay in the
processor's cache, on a few threads."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np
from numpy.typing import NDArray

from strategies._math.simplex import first_bad, largest, row_sums
from strategies._math.threads import CHUNK_BYTES, PART_BYTES, each, spans
from strategies.base import IntArray, Pool, StrategyError
from strategies.refusals import refuse_probs

Float32 = NDArray[np.float32]
Float64 = NDArray[np.float64]
Score = Callable[[Float32], Float32]
"""`(members, r, classes)` float32 -> `(r,)`, higher = more unsure."""

AGGREGATES = ("mean", "max", "sum")


class _NoDistribution(Exception):
    """A region that is not a distribution: its member, and its number among the regions that were scored."""

    def __init__(self, member: int, region: int) -> None:
        super().__init__(member, region)
        self.member = member
        self.region = region


def _scored(probs: NDArray[np.floating], score: Score) -> Float32:
    """`score` of every region `(regions,)`, chunk by chunk.

    Raises:
        _NoDistribution: the chunk is checked while it lies in the cache.
    """
    members, regions, classes = probs.shape
    out = np.zeros(regions, dtype=np.float32)
    for start, stop in spans(regions, CHUNK_BYTES // (4 * max(1, members * classes))):
        chunk = probs[:, start:stop].astype(np.float32, copy=False)
        for member, rows in enumerate(chunk):
            bad = first_bad(rows)
            if bad is not None:
                raise _NoDistribution(member, start + bad)
        out[start:stop] = score(chunk)
    return out


def _scored_part(pool: Pool, score: Score, part: tuple[int, int]) -> Float32:
    """`score` of the regions of a part.

    Raises:
        StrategyError: a region that is not a distribution; the message names its item.
    """
    try:
        return _scored(pool.probs[:, part[0] : part[1]], score)
    except _NoDistribution as found:
        refuse_probs(pool, found.member, part[0] + found.region)
        raise


def region_scores(pool: Pool, score: Score) -> Float32:
    """`score` of every region `(regions,)` float32; never holds a second copy of the probabilities."""
    members, regions, classes = pool.probs.shape
    parts = spans(regions, PART_BYTES // (4 * max(1, members * classes)))
    scores = each(partial(_scored_part, pool, score), parts)
    return np.concatenate([np.zeros(0, dtype=np.float32), *scores])


def per_item(scores: Float32, offsets: IntArray, aggregate: str) -> Float64:
    """Fold region scores `(regions,)` into one number per item `(n,)`; an item without regions gets 0.

    Raises:
        StrategyError: an unknown aggregate.
    """
    if aggregate not in AGGREGATES:
        raise StrategyError(f"'aggregate' must be one of {', '.join(AGGREGATES)}, not {aggregate!r}.")
    counts = np.diff(offsets)
    if not len(scores):
        return np.zeros(len(counts), dtype=np.float64)
    if counts.min() == counts.max():
        return _per_row(scores.reshape(len(counts), -1), aggregate)
    out = np.zeros(len(counts), dtype=np.float64)
    filled = np.flatnonzero(counts)
    fold = np.maximum if aggregate == "max" else np.add
    out[filled] = fold.reduceat(scores, offsets[filled])
    if aggregate == "mean":
        out[filled] /= counts[filled]
    return out


def _per_row(scores: Float32, aggregate: str) -> Float64:
    """The same for items with equally many regions `(n, k)`, k at least 1, several times as fast."""
    regions = scores.shape[1]
    if regions == 1:
        return scores[:, 0].astype(np.float64)
    if aggregate == "max":
        return largest(scores).astype(np.float64)
    return row_sums(scores, 1 / regions if aggregate == "mean" else 1.0).astype(np.float64)


def item_scores(pool: Pool, score: Score, aggregate: str) -> Float64:
    """`score` of every item `(n,)` float64; an item without regions gets 0.

    Raises:
        StrategyError: an unknown aggregate.
    """
    members, regions, classes = pool.probs.shape
    items_a_part = PART_BYTES // (4 * max(1, members * classes * max(1, regions // max(1, len(pool)))))

    def work(part: tuple[int, int]) -> Float64:
        offsets = pool.offsets[part[0] : part[1] + 1]
        scores = _scored_part(pool, score, (int(offsets[0]), int(offsets[-1])))
        return per_item(scores, offsets - offsets[0], aggregate)

    parts = spans(len(pool), items_a_part) or [(0, 0)]
    return np.concatenate(each(work, parts))


def best(pool: Pool, utilities: Float64, budget: int) -> IntArray:
    """The `budget` candidates of highest utility, ties by lower position."""
    candidates = pool.open
    values = utilities if len(candidates) == len(utilities) else utilities[candidates]
    if budget < len(candidates):
        limit = np.partition(values, len(values) - budget)[len(values) - budget]
        keep = values >= limit
        candidates, values = candidates[keep], values[keep]
    return candidates[np.argsort(-values, kind="stable")][:budget].astype(np.int64)
