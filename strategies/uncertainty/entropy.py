"""Entropy of the predicted distribution."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from strategies._math import simplex
from strategies._math.pointwise import best, item_scores
from strategies.base import Pool, Ranking


@dataclass(frozen=True)
class Entropy:
    """Items whose predicted distribution has the highest entropy.

    u(x) = -sum_y p(y|x) log p(y|x) in nats, p the mean over the members; 0 for an item without regions.

    Args:
        aggregate: how the regions of an item are folded: "mean", "max" or "sum".

    Paper: Shannon (1948), A Mathematical Theory of Communication, doi:10.1002/j.1538-7305.1948.tb01338.x
    Paper: Settles (2009), Active Learning Literature Survey
    """

    aggregate: str = "mean"
    needs: ClassVar[frozenset[str]] = frozenset({"probs"})
    checks_probs: ClassVar[bool] = True

    def rank(self, pool: Pool, budget: int, rng: np.random.Generator) -> Ranking:
        """See `strategies.base.Strategy`."""
        utilities = item_scores(pool, lambda probs: simplex.entropy(simplex.consensus(probs)), self.aggregate)
        return Ranking(best(pool, utilities, budget), utilities, {"entropy": utilities})
