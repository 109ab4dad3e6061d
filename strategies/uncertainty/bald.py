"""Expected information about the model from a label."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from strategies._math.members import mutual_information
from strategies._math.pointwise import best, item_scores
from strategies.base import Pool, Ranking


@dataclass(frozen=True)
class Bald:
    """Items on which each member is certain but the members disagree.

    u(x) = H[p(.|x)] - 1/T sum_t H[p_t(.|x)] in nats, p the mean of the T members (dropout passes, heads).

    Args:
        aggregate: how the regions of an item are folded: "mean", "max" or "sum".

    Paper: Houlsby et al. (2011), Bayesian Active Learning for Classification and Preference Learning, arXiv:1112.5745
    Paper: Gal, Islam, Ghahramani (2017), Deep Bayesian Active Learning with Image Data, arXiv:1703.02910
    """

    aggregate: str = "mean"
    needs: ClassVar[frozenset[str]] = frozenset({"members"})
    checks_probs: ClassVar[bool] = True

    def rank(self, pool: Pool, budget: int, rng: np.random.Generator) -> Ranking:
        """See `strategies.base.Strategy`."""
        utilities = item_scores(pool, mutual_information, self.aggregate)
        return Ranking(best(pool, utilities, budget), utilities, {"disagreement": utilities})
