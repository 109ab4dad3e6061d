"""Mean divergence of the members from their consensus."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from strategies._math.members import divergence
from strategies._math.pointwise import best, item_scores
from strategies.base import Pool, Ranking


@dataclass(frozen=True)
class ConsensusKl:
    """Items whose members diverge most from their mean.

    u(x) = 1/T sum_t KL(p_t(.|x) || p(.|x)) in nats, p the mean of the members. In exact arithmetic this equals BALD;
    here it is summed as written, which is exact to rounding where members nearly agree and BALD cancels.

    Args:
        aggregate: how the regions of an item are folded: "mean", "max" or "sum".

    Paper: McCallum, Nigam (1998), Employing EM and Pool-Based Active Learning for Text Classification
    """

    aggregate: str = "mean"
    needs: ClassVar[frozenset[str]] = frozenset({"members"})
    checks_probs: ClassVar[bool] = True

    def rank(self, pool: Pool, budget: int, rng: np.random.Generator) -> Ranking:
        """See `strategies.base.Strategy`."""
        utilities = item_scores(pool, divergence, self.aggregate)
        return Ranking(best(pool, utilities, budget), utilities, {"disagreement": utilities})
