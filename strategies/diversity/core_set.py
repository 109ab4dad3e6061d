"""K-center greedy on the embeddings."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from strategies._math.farthest import LazyFarthest
from strategies.base import Pool, Ranking


@dataclass(frozen=True)
class CoreSet:
    """Each pick is the item farthest from everything labeled or picked so far.

    x* = argmax_x min_{s in S} ||h(x) - h(s)||, S the labeled items and the picks before; without any, the
    first is the item nearest to the mean. The same picks as plain greedy, found lazily (see `_math.farthest`).

    Utilities: the distance when picked; for the others an upper bound of the distance that is left.

    Paper: Sener, Savarese (2018), Active Learning for Convolutional Neural Networks: A Core-Set Approach,
        arXiv:1708.00489
    Paper: Gonzalez (1985), Clustering to Minimize the Maximum Intercluster Distance, doi:10.1016/0304-3975(85)90224-5
    """

    needs: ClassVar[frozenset[str]] = frozenset({"embeddings"})

    def rank(self, pool: Pool, budget: int, rng: np.random.Generator) -> Ranking:
        """See `strategies.base.Strategy`."""
        candidates = pool.open
        search = LazyFarthest(pool.embeddings, candidates, np.flatnonzero(pool.labelled), budget)
        order, reached = search.picks(budget)
        distance = np.zeros(len(pool))
        distance[candidates] = np.sqrt(search.bounds())
        distance[order] = np.sqrt(reached)
        # Bounds may exceed the last pick by what stale ones do not know yet; they must not outrank a pick.
        rest = np.ones(len(pool), dtype=bool)
        rest[order] = False
        distance[rest] = np.minimum(distance[rest], distance[order].min())
        return Ranking(order, distance, {"farthest": distance})
