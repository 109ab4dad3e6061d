"""Margins between the two most likely classes of an image's boxes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from strategies._math.pointwise import Float32, best, item_scores
from strategies._math.simplex import consensus, top_two
from strategies.base import Pool, Ranking


@dataclass(frozen=True)
class BoxMargin:
    """Images whose boxes are undecided between two classes, with the background counted as a class.

    u(x) = sum_b (1 - (p_b(c1) - p_b(c2)))^2, or the mean, or the maximum; c1 and c2 the most likely classes of box b.

    Args:
        aggregate: how the boxes of an image are folded: "sum", "mean" or "max".

    Paper: Brust, Käding, Denzler (2019), Active Learning for Deep Object Detection, arXiv:1809.09875
    """

    aggregate: str = "sum"
    needs: ClassVar[frozenset[str]] = frozenset({"probs", "background"})
    checks_probs: ClassVar[bool] = True

    def rank(self, pool: Pool, budget: int, rng: np.random.Generator) -> Ranking:
        """See `strategies.base.Strategy`."""
        utilities = item_scores(pool, _closeness, self.aggregate)
        return Ranking(best(pool, utilities, budget), utilities, {"closeness": utilities})


def _closeness(probs: Float32) -> Float32:
    first, second = top_two(consensus(probs))
    return np.asarray(np.square(1 - (first - second)), dtype=np.float32)
