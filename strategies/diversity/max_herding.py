"""Greedy maximization of the pool's generalized coverage."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from strategies._math.herding import herd
from strategies.base import Pool, Ranking


@dataclass(frozen=True)
class MaxHerding:
    """Each pick adds most to the coverage of the unlabeled items by labeled and picked ones.

    C(S) = 1/|U| sum_{x in U} max_{s in S} k(x, s), k(x, s) = exp(-||h(x) - h(s)||^2 / (2 w^2)), greedily, lazily. Above
    20,000 candidates both they and the covered items are samples of that size.

    Args:
        width: kernel width w as a share of the median distance between items.

    Paper: Bae, Noh, Sutherland (2024), Generalized Coverage for More Robust Low-Budget Active Learning,
        arXiv:2407.12212
    """

    width: float = 0.3
    needs: ClassVar[frozenset[str]] = frozenset({"embeddings"})

    def rank(self, pool: Pool, budget: int, rng: np.random.Generator) -> Ranking:
        """See `strategies.base.Strategy`."""
        return herd(pool, budget, rng, np.ones(len(pool)), self.width)
