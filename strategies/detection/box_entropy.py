"""Entropy of the class distributions of an image's boxes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from strategies._math.pointwise import best, item_scores
from strategies._math.simplex import consensus, entropy
from strategies.base import Pool, Ranking


@dataclass(frozen=True)
class BoxEntropy:
    """Images whose boxes have the highest entropy, with the background counted as a class.

    u(x) = sum_b H(p_b) in nats, or the mean, or the maximum; p_b the mean over the members. The sum prefers crowded
    images: much is learned from one, and labeling it takes long.

    Args:
        aggregate: how the boxes of an image are folded: "sum", "mean" or "max".

    Paper: Roy, Unmesh, Namboodiri (2018), Deep Active Learning for Object Detection
    """

    aggregate: str = "sum"
    needs: ClassVar[frozenset[str]] = frozenset({"probs", "background"})
    checks_probs: ClassVar[bool] = True

    def rank(self, pool: Pool, budget: int, rng: np.random.Generator) -> Ranking:
        """See `strategies.base.Strategy`."""
        utilities = item_scores(pool, lambda probs: entropy(consensus(probs)), self.aggregate)
        boxes = np.diff(pool.offsets).astype(np.float64)
        return Ranking(best(pool, utilities, budget), utilities, {"entropy": utilities, "boxes": boxes})
