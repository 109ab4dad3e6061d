"""Uncertainty-weighted coverage."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from strategies._math.herding import herd
from strategies._math.uncertainty import measured
from strategies.base import Pool, Ranking


@dataclass(frozen=True)
class UncertaintyHerding:
    """Each pick adds most to the coverage of the unlabeled items, weighted by the model's uncertainty about them.

    C(S) = 1/|U| sum_{x in U} u(x) max_{s in S} k(x, s) with the kernel of `max_herding`: an unsure item among
    many unsure ones comes before an odd one, and a batch never looks at the same doubt twice.

    Args:
        width: kernel width as a share of the median distance between items.
        measure: "margin", "entropy" or "least_confidence".

    Paper: Bae, Oliveira, Sutherland (2024), Uncertainty Herding: One Active Learning Method for All Label Budgets,
        arXiv:2412.20644
    """

    width: float = 0.3
    measure: str = "margin"
    needs: ClassVar[frozenset[str]] = frozenset({"embeddings", "probs"})

    def rank(self, pool: Pool, budget: int, rng: np.random.Generator) -> Ranking:
        """See `strategies.base.Strategy`."""
        unsure = measured(pool, self.measure)
        ranking = herd(pool, budget, rng, unsure, self.width)
        return dataclasses.replace(ranking, evidence={**ranking.evidence, "uncertainty": unsure})
