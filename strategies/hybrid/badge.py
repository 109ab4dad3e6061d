"""Diverse gradients: uncertainty and diversity in one embedding."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from strategies._math.item_probs import distributions
from strategies._math.kmeans import Points
from strategies._math.sampling import DistanceSampler
from strategies._math.staircase import staircase
from strategies.base import Pool, Ranking
from strategies.hybrid._gradients import Gradients, errors


@dataclass(frozen=True)
class Badge:
    """k-means++ seeding on last-layer gradients, with the model's own prediction as the label.

    g(x) = (p(.|x) - e_y) (x) h(x), y the most probable class: long where the model is unsure, and apart where the
    doubts differ. The first pick has the longest gradient, each next is drawn with a chance proportional to the
    squared distance to the nearest pick, exactly (see `_math.sampling`), without forming n x (c d).

    Paper: Ash et al. (2020), Deep Batch Active Learning by Diverse, Uncertain Gradient Lower Bounds, arXiv:1906.03671
    """

    needs: ClassVar[frozenset[str]] = frozenset({"embeddings", "probs"})

    def rank(self, pool: Pool, budget: int, rng: np.random.Generator) -> Ranking:
        """See `strategies.base.Strategy`."""
        open_items = pool.open
        whole = len(open_items) == len(pool)
        points = Points(pool.embeddings, None if whole else open_items)
        gradients = Gradients(errors(distributions(pool)[open_items]), points)
        lengths = gradients.norms()
        # No squared distance exceeds 4 times the longest squared length, and all start without a center.
        sampler = DistanceSampler(
            gradients, np.full(len(lengths), 4 * max(float(lengths.max()), 1e-9), np.float32), rng
        )
        first = int(lengths.argmax())
        sampler.take(first)
        picks = np.concatenate([[first], sampler.draw(budget - 1)]).astype(np.int64)
        order = open_items[picks]
        unsure = np.zeros(len(pool))
        unsure[open_items] = np.sqrt(lengths)
        return Ranking(order, staircase(len(pool), order, unsure), {"gradient": unsure})
