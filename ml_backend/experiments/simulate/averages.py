"""Learning curves of several seeds side by side: means and spreads at each place that all of them reached."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

import numpy as np

Point = TypeVar("Point")


class Places(Generic[Point]):
    """The points of some curves, one row for each place on them, cut at the end of the shortest.

    Args:
        curves: the points of each curve, in order.
    """

    def __init__(self, curves: Sequence[Sequence[Point]]) -> None:
        shortest = min((len(points) for points in curves), default=0)
        self._rows = [[points[place] for points in curves] for place in range(shortest)]

    def means(self, value: Callable[[Point], float]) -> list[float]:
        """The mean of a value at each place."""
        return [float(np.mean([value(point) for point in row])) for row in self._rows]

    def spreads(self, value: Callable[[Point], float]) -> list[float]:
        """The standard deviation of a value at each place; 0 for a single curve."""
        return [float(np.std([value(p) for p in row], ddof=1)) if len(row) > 1 else 0.0 for row in self._rows]

    def area(self, value: Callable[[Point], float]) -> float:
        """The mean of a value over all places; 0 without places."""
        means = self.means(value)
        return float(np.mean(means)) if means else 0.0
