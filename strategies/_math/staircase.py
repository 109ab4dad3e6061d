"""Utilities for strategies whose answer is an order and not a score."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from strategies.base import FloatArray, IntArray


def staircase(n: int, order: IntArray, rest: FloatArray | None = None) -> NDArray[np.float64]:
    """`(n,)`: picks fall from 2 to above 1 in their order, all others lie in [0, 1] in the order of `rest`."""
    utilities = np.zeros(n, dtype=np.float64)
    if rest is not None and len(rest):
        low, high = float(rest.min()), float(rest.max())
        utilities += (rest - low) / max(high - low, 1e-12)
    if len(order):
        utilities[order] = 2.0 - np.arange(len(order)) / (len(order) + 1)
    return utilities
