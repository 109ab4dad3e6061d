"""Uncertain class and unstable place together."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from strategies._math.pointwise import best, per_item
from strategies.base import Pool, Ranking
from strategies.detection._regions import foreground, weighted_mean


@dataclass(frozen=True)
class LocalisationStability:
    """Images with an uncertain box and with boxes that move between mirrored and turned views.

    u(x) = U(x) - S(x); U(x) = max_b (1 - s_b) with s_b the score of box b, and S(x) = sum_b s_b S_b / sum_b s_b with
    S_b the mean IoU of a box with its place in the other views; an image without boxes has u = 0.

    Paper: Kao, Lee, Sen, Liu (2018), Localization-Aware Active Learning for Object Detection, arXiv:1801.05124
    """

    needs: ClassVar[frozenset[str]] = frozenset({"probs", "members", "background", "box_overlaps"})

    def rank(self, pool: Pool, budget: int, rng: np.random.Generator) -> Ranking:
        """See `strategies.base.Strategy`."""
        assert pool.box_overlaps is not None
        scores = foreground(pool)
        unsure = per_item(1 - scores, pool.offsets, "max")
        stable = weighted_mean(pool.box_overlaps[1:].mean(axis=0), scores, pool.offsets)
        utilities = unsure - stable
        return Ranking(best(pool, utilities, budget), utilities, {"stability": stable, "doubt": unsure})
