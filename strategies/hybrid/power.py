"""Random batches whose odds follow a power of the uncertainty."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from strategies._math.pointwise import best
from strategies._math.staircase import staircase
from strategies._math.uncertainty import measured
from strategies.base import Pool, Ranking


@dataclass(frozen=True)
class Power:
    """Items drawn without replacement with probability proportional to u(x)^beta.

    By the Gumbel trick: the highest log u(x) + g / beta, g ~ Gumbel(0, 1). The noise keeps a batch from being many
    copies of one doubt, at the price of a sort.

    Args:
        beta: 0 is random, infinity the plain order.
        measure: "margin", "entropy" or "least_confidence".

    Paper: Kirsch, Farquhar, Atighehchian et al. (2023), Stochastic Batch Acquisition, arXiv:2106.12059
    """

    beta: float = 1.0
    measure: str = "entropy"
    needs: ClassVar[frozenset[str]] = frozenset({"probs"})
    checks_probs: ClassVar[bool] = True

    def rank(self, pool: Pool, budget: int, rng: np.random.Generator) -> Ranking:
        """See `strategies.base.Strategy`."""
        unsure = measured(pool, self.measure)
        noisy = self.beta * np.log(np.maximum(unsure, 1e-12)) + rng.gumbel(size=len(pool))
        order = best(pool, noisy, budget)
        return Ranking(order, staircase(len(pool), order, noisy), {"uncertainty": unsure})
