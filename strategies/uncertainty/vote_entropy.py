"""Entropy of the votes of a committee."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from strategies._math.members import vote_entropy
from strategies._math.pointwise import best, item_scores
from strategies.base import Pool, Ranking


@dataclass(frozen=True)
class VoteEntropy:
    """Items on which the members' votes are spread most evenly.

    u(x) = -sum_y V(y)/T log V(y)/T in nats, V(y) the members whose most probable class is y.

    Args:
        aggregate: how the regions of an item are folded: "mean", "max" or "sum".

    Paper: Dagan, Engelson (1995), Committee-Based Sampling for Training Probabilistic Classifiers,
        doi:10.1016/B978-1-55860-377-6.50027-X
    """

    aggregate: str = "mean"
    needs: ClassVar[frozenset[str]] = frozenset({"members"})
    checks_probs: ClassVar[bool] = True

    def rank(self, pool: Pool, budget: int, rng: np.random.Generator) -> Ranking:
        """See `strategies.base.Strategy`."""
        utilities = item_scores(pool, vote_entropy, self.aggregate)
        return Ranking(best(pool, utilities, budget), utilities, {"vote_entropy": utilities})
