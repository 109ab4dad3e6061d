"""Cover as many items as possible with balls that hold one class."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from strategies._math.balls import BallCover, pure_radius
from strategies._math.herding import sampled
from strategies.base import Pool, Ranking

SAMPLE = 20_000


@dataclass(frozen=True)
class ProbCover:
    """Each pick covers the most items within a radius that no labeled or picked item covers yet.

    deg(x) = |{x' uncovered: ||h(x) - h(x')|| <= r}|. The radius is the largest at which a share `purity` of all balls
    holds one pseudo-label only; pseudo-labels are k-means clusters, as many as there are classes. Ties in random order.
    Above 20,000 items the cover works on a sample of that size.

    Args:
        purity: share of pure balls.
        radius: Euclidean distance between unit vectors instead of the chosen one; 0 = choose by purity.
        classes: number of pseudo-labels; 0 = as many as the probabilities have, or 10 without a model.

    Paper: Yehuda, Dekel, Hacohen, Weinshall (2022), Active Learning Through a Covering Lens, arXiv:2205.11320
    """

    purity: float = 0.95
    radius: float = 0.0
    classes: int = 0
    needs: ClassVar[frozenset[str]] = frozenset({"embeddings"})

    def rank(self, pool: Pool, budget: int, rng: np.random.Generator) -> Ranking:
        """See `strategies.base.Strategy`."""
        open_items = pool.open
        positions = sampled(open_items, np.ones(len(open_items)), max(SAMPLE, budget), rng)
        classes = self.classes or (pool.probs.shape[2] if pool.probs.shape[0] else 10)
        radius = self.radius or pure_radius(pool.embeddings, positions, classes, self.purity, rng)
        cover = BallCover(pool.embeddings, positions, radius, np.flatnonzero(pool.labelled))
        picks, counts, left = cover.picks(budget, rng)
        order = positions[picks]
        utilities = np.zeros(len(pool))
        utilities[positions] = left
        utilities[order] = counts
        covers = np.full(len(pool), np.nan)
        covers[order] = counts * (len(open_items) / len(positions))
        note = f"Balls of radius {radius:.3f} around each pick contain a single cluster in {self.purity:.0%} of cases."
        return Ranking(order, utilities, {"covers": covers}, note, {"radius": radius})
