"""Margin between the two most probable classes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from strategies._math.pointwise import best, item_scores
from strategies._math.simplex import consensus
from strategies._math.uncertainty import closeness
from strategies.base import Pool, Ranking


@dataclass(frozen=True)
class Margin:
    """Items whose two most probable classes are closest.

    u(x) = 1 - (p(y1|x) - p(y2|x)), y1 and y2 the most probable classes of the mean over the members.

    Args:
        aggregate: how the regions of an item are folded: "mean", "max" or "sum".

    Paper: Scheffer, Decomain, Wrobel (2001), Active Hidden Markov Models for Information Extraction,
        doi:10.1007/3-540-44816-0_31
    """

    aggregate: str = "mean"
    needs: ClassVar[frozenset[str]] = frozenset({"probs"})
    checks_probs: ClassVar[bool] = True

    def rank(self, pool: Pool, budget: int, rng: np.random.Generator) -> Ranking:
        """See `strategies.base.Strategy`."""
        utilities = item_scores(pool, lambda probs: closeness(consensus(probs)), self.aggregate)
        return Ranking(best(pool, utilities, budget), utilities, {"margin": 1.0 - utilities})
