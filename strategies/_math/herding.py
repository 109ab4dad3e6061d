"""Weighted kernel herding over a pool: what max_herding, uncertainty_herding and auto share."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from strategies._math.coverage import Coverage, gaussian, median_distance
from strategies.base import FloatArray, IntArray, Pool, Ranking, StrategyError

SAMPLE = 20_000


def sampled(positions: IntArray, weights: FloatArray, count: int, rng: np.random.Generator) -> IntArray:
    """`count` of the positions, drawn without replacement by weight (Efraimidis, Spirakis (2006),
    doi:10.1016/j.ipl.2005.11.003), sorted."""
    if len(positions) <= count:
        return positions
    keys = rng.exponential(size=len(positions)) / np.maximum(weights, 1e-9)
    return np.sort(positions[np.argpartition(keys, count)[:count]])


def herd(pool: Pool, budget: int, rng: np.random.Generator, weights: NDArray[np.float64], width: float) -> Ranking:
    """Greedy picks that cover the weighted pool best.

    Args:
        pool: the items.
        budget: how many picks.
        rng: for samples of large pools.
        weights: `(n,)` non-negative, of the items to cover.
        width: of the Gaussian kernel, as a share of the median distance.

    Raises:
        StrategyError: a width that is not positive.
    """
    if not width > 0:
        raise StrategyError(f"The kernel width must be a positive fraction of the median distance, not {width}.")
    open_items = pool.open
    targets = sampled(open_items, np.ones(len(open_items)), SAMPLE, rng)
    candidates = sampled(open_items, weights[open_items], max(SAMPLE, 2 * budget), rng)
    labelled = np.flatnonzero(pool.labelled)
    scale = width * median_distance(pool.embeddings, open_items, rng)
    mass = weights[targets] if weights[targets].sum() > 0 else np.ones(len(targets))
    coverage = Coverage(pool.embeddings, candidates, targets, mass, gaussian(scale), labelled)
    picks, added, counted = coverage.picks(budget)
    order = candidates[picks]
    utilities = np.zeros(len(pool))
    utilities[candidates] = np.minimum(coverage.gains, added[-1])
    utilities[order] = added
    covers = np.full(len(pool), np.nan)
    covers[order] = counted * (len(open_items) / len(targets))
    return Ranking(order, utilities, {"covers": covers})
