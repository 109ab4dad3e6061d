"""The model's uncertainty about each item, by the measure that a hybrid strategy uses."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from strategies._math import simplex
from strategies._math.pointwise import Float32, item_scores
from strategies.base import Pool, StrategyError


def closeness(probs: Float32) -> Float32:
    """1 - (p1 - p2) of the two most probable classes, `(r, c)` -> `(r,)` in [0, 1]."""
    if probs.shape[-1] < 2:
        return np.zeros(probs.shape[:-1], dtype=np.float32)
    first, second = simplex.top_two(probs)
    first -= second
    return _rest(first)


def least_confidence(probs: Float32) -> Float32:
    """1 - p1, `(r, c)` -> `(r,)`."""
    return _rest(simplex.largest(probs))


def _rest(values: Float32) -> Float32:
    """1 - values, within [0, 1], in place."""
    np.subtract(np.float32(1), values, out=values)
    return np.clip(values, np.float32(0), np.float32(1), out=values)


MEASURES: dict[str, Callable[[Float32], Float32]] = {
    "entropy": simplex.normalised_entropy,
    "margin": closeness,
    "least_confidence": least_confidence,
}


def measured(pool: Pool, measure: str, aggregate: str = "mean") -> NDArray[np.float64]:
    """`(n,)` in [0, 1]; 0 for an item without regions.

    Raises:
        StrategyError: an unknown measure.
    """
    if measure not in MEASURES:
        raise StrategyError(f"'measure' must be one of {', '.join(MEASURES)}, not {measure!r}.")
    score = MEASURES[measure]
    return item_scores(pool, lambda probs: score(simplex.consensus(probs)), aggregate)
