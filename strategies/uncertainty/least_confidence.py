"""Probability of everything but the most probable class."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from strategies._math.pointwise import best, item_scores
from strategies._math.simplex import consensus
from strategies._math.uncertainty import least_confidence
from strategies.base import Pool, Ranking


@dataclass(frozen=True)
class LeastConfidence:
    """Items whose most probable class is least probable.

    u(x) = 1 - max_y p(y|x), p the mean over the members; 0 for an item without regions.

    Args:
        aggregate: how the regions of an item are folded: "mean", "max" or "sum".

    Paper: Lewis, Gale (1994), A Sequential Algorithm for Training Text Classifiers, doi:10.1007/978-1-4471-2099-5_1
    """

    aggregate: str = "mean"
    needs: ClassVar[frozenset[str]] = frozenset({"probs"})
    checks_probs: ClassVar[bool] = True

    def rank(self, pool: Pool, budget: int, rng: np.random.Generator) -> Ranking:
        """See `strategies.base.Strategy`."""
        utilities = item_scores(pool, lambda probs: least_confidence(consensus(probs)), self.aggregate)
        return Ranking(best(pool, utilities, budget), utilities, {"doubt": utilities})
