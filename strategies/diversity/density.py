"""Representative items: the dense regions of the pool."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from strategies._math.pointwise import best
from strategies.base import Pool, Ranking

BLOCK_ROWS = 8192


@dataclass(frozen=True)
class Density:
    """Items that are on average most similar to all unlabeled items.

    u(x) = 1/|U| sum_{x' in U} cos(h(x), h(x')), by linearity the product of h(x) with the mean vector. It does
    not spread: use it to look at the typical case, or as a factor of an uncertainty.

    Paper: Settles, Craven (2008), An Analysis of Active Learning Strategies for Sequence Labeling Tasks,
        doi:10.3115/1613715.1613855
    """

    needs: ClassVar[frozenset[str]] = frozenset({"embeddings"})

    def rank(self, pool: Pool, budget: int, rng: np.random.Generator) -> Ranking:
        """See `strategies.base.Strategy`."""
        open_items = pool.open
        mean = np.zeros(pool.embeddings.shape[1])
        for start in range(0, len(open_items), BLOCK_ROWS):
            mean += pool.embeddings[open_items[start : start + BLOCK_ROWS]].sum(axis=0, dtype=np.float64)
        mean /= len(open_items)
        utilities = np.empty(len(pool))
        for start in range(0, len(pool), BLOCK_ROWS):
            utilities[start : start + BLOCK_ROWS] = pool.embeddings[start : start + BLOCK_ROWS] @ mean
        return Ranking(best(pool, utilities, budget), utilities, {"typicality": utilities})
