"""Objects that the detector scores too low to report."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from strategies._math.pointwise import best, per_item
from strategies.base import Pool, Ranking
from strategies.detection._regions import foreground, objectness


@dataclass(frozen=True)
class ExpectedMisses:
    """Images with the most expected objects among the boxes whose score is too low to be shown.

    u(x) = sum of o_b over the boxes with score below the threshold; o_b is the probability that there is an object.
    For a calibrated detector that is the expected number of objects an annotator would have to add.

    Args:
        threshold: score from which a box is shown, in (0, 1].

    Paper: adapted from Aghdam, Gonzalez-Garcia et al. (2019), Active Learning for Deep Detection Neural Networks,
        arXiv:1911.09168
    """

    threshold: float = 0.5
    needs: ClassVar[frozenset[str]] = frozenset({"probs", "background"})

    def rank(self, pool: Pool, budget: int, rng: np.random.Generator) -> Ranking:
        """See `strategies.base.Strategy`."""
        hidden = np.where(foreground(pool) < self.threshold, objectness(pool), np.float32(0))
        utilities = per_item(hidden.astype(np.float32), pool.offsets, "sum")
        return Ranking(best(pool, utilities, budget), utilities, {"expected_misses": utilities})
