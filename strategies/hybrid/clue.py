"""Clusters weighted by uncertainty."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from strategies._math.kmeans import kmeans
from strategies._math.staircase import staircase
from strategies._math.uncertainty import measured
from strategies.base import FloatArray, IntArray, Pool, Ranking

MAX_CLUSTERS = 1000


@dataclass(frozen=True)
class Clue:
    """The item nearest to each center of an entropy-weighted k-means.

    min sum_k sum_{x in X_k} H(x) ||h(x) - mu_k||^2 with one cluster per pick, then the unlabeled item nearest to each
    mu_k; heaviest clusters first. Above 1,000 picks a cluster serves several.

    Paper: Prabhu et al. (2021), Active Domain Adaptation via Clustering Uncertainty-weighted Embeddings,
        arXiv:2010.08666
    """

    needs: ClassVar[frozenset[str]] = frozenset({"embeddings", "probs"})

    def rank(self, pool: Pool, budget: int, rng: np.random.Generator) -> Ranking:
        """See `strategies.base.Strategy`."""
        open_items = pool.open
        unsure = measured(pool, "entropy")
        weights = unsure[open_items]
        count = min(budget, MAX_CLUSTERS, len(open_items))
        label, centres = kmeans(pool.embeddings, open_items, count, rng, weights)
        gaps = _own_gaps(pool, open_items, label, centres)
        mass = np.bincount(label, weights=weights, minlength=count)
        near = np.lexsort((open_items, gaps, label))
        starts = np.searchsorted(label[near], np.arange(count))
        turn = np.empty(len(open_items), dtype=np.int64)
        turn[near] = np.arange(len(open_items)) - starts[label[near]]
        order = open_items[np.lexsort((open_items, gaps, -mass[label], turn))][:budget]
        return Ranking(order, staircase(len(pool), order, unsure), {"uncertainty": unsure})


def _own_gaps(pool: Pool, positions: IntArray, label: IntArray, centres: NDArray[np.float32]) -> FloatArray:
    """Squared distance `(m,)` of each item to the center of its own cluster."""
    gaps = np.empty(len(positions))
    for start in range(0, len(positions), 8192):
        rows = pool.embeddings[positions[start : start + 8192]]
        gaps[start : start + 8192] = ((rows - centres[label[start : start + 8192]]) ** 2).sum(axis=1)
    return gaps
