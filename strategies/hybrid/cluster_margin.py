"""Low margins, spread over clusters."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from strategies._math.kmeans import kmeans
from strategies._math.pointwise import best
from strategies._math.staircase import staircase
from strategies._math.uncertainty import measured
from strategies.base import IntArray, Pool, Ranking


@dataclass(frozen=True)
class ClusterMargin:
    """Items of lowest margin, taken from their clusters in turn, smallest cluster first.

    The `factor` x budget items of lowest margin are candidates; the clusters among them are served round robin in order
    of size, lowest margin first. Clusters are found by k-means (the paper's average linkage needs n^2).

    Args:
        factor: candidates per pick; the paper uses 1.25 to 10.
        clusters: number of clusters of the pool; 0 = one per two picks, at most 500.

    Paper: Citovsky, DeSalvo, Gentile et al. (2021), Batch Active Learning at Scale, arXiv:2107.14263
    """

    factor: float = 5.0
    clusters: int = 0
    needs: ClassVar[frozenset[str]] = frozenset({"embeddings", "probs"})

    def rank(self, pool: Pool, budget: int, rng: np.random.Generator) -> Ranking:
        """See `strategies.base.Strategy`."""
        unsure = measured(pool, "margin")
        open_items = pool.open
        count = min(self.clusters or min(500, max(2, budget // 2)), len(open_items))
        label = np.full(len(pool), -1, dtype=np.int64)
        label[open_items] = kmeans(pool.embeddings, open_items, count, rng)[0]
        chosen = best(pool, unsure, min(len(open_items), max(budget, int(self.factor * budget))))
        order = round_robin(chosen, label[chosen])[:budget]
        return Ranking(order, staircase(len(pool), order, unsure), {"margin": 1 - unsure})


def round_robin(items: IntArray, label: IntArray) -> IntArray:
    """Items in turn from each cluster: clusters by size, smallest first, then by number; items in the order given."""
    _, inverse, sizes = np.unique(label, return_inverse=True, return_counts=True)
    order = np.argsort(inverse, kind="stable")
    starts = np.concatenate([[0], np.cumsum(sizes)[:-1]])
    turn = np.empty(len(items), dtype=np.int64)
    turn[order] = np.arange(len(items)) - np.repeat(starts, sizes)
    return np.asarray(items[np.lexsort((inverse, sizes[inverse], turn))])
