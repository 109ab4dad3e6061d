"""Share of members that vote against the majority."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from strategies._math.members import variation
from strategies._math.pointwise import best, item_scores
from strategies.base import Pool, Ranking


@dataclass(frozen=True)
class VariationRatio:
    """Items on whose class the fewest members agree.

    u(x) = 1 - f(x) / T, f the votes for the class that most of the T members give.

    Args:
        aggregate: how the regions of an item are folded: "mean", "max" or "sum".

    Paper: Freeman (1965), Elementary Applied Statistics
    Paper: Gal, Islam, Ghahramani (2017), Deep Bayesian Active Learning with Image Data, arXiv:1703.02910
    """

    aggregate: str = "mean"
    needs: ClassVar[frozenset[str]] = frozenset({"members"})
    checks_probs: ClassVar[bool] = True

    def rank(self, pool: Pool, budget: int, rng: np.random.Generator) -> Ranking:
        """See `strategies.base.Strategy`."""
        utilities = item_scores(pool, variation, self.aggregate)
        return Ranking(best(pool, utilities, budget), utilities, {"variation": utilities})
