"""The most typical item of each cluster that has no label yet."""

from __future__ import annotations

import heapq
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from strategies._math.kmeans import kmeans
from strategies._math.staircase import staircase
from strategies.base import FloatArray, IntArray, Pool, Ranking

LARGEST = 2000
"""Typicality inside a larger cluster is measured against a sample of this size."""


@dataclass(frozen=True)
class Typiclust:
    """Clusters the pool into labels + budget clusters and picks the most typical item of each uncovered one.

    Clusters are served by fewest labels, then by size; typicality(x) = (1/K sum_{x' in K nearest} ||x - x'||)^-1 inside
    the cluster, K = min(`neighbours`, size). Clusters under five items wait. k-means with labeled items included.

    Args:
        neighbours: K.
        max_clusters: upper limit of the clusters; above it a cluster is served more than once.

    Paper: Hacohen, Dekel, Weinshall (2022), Active Learning on a Budget: Opposite Strategies Suit High and Low
        Budgets, arXiv:2202.02794
    """

    neighbours: int = 20
    max_clusters: int = 500
    needs: ClassVar[frozenset[str]] = frozenset({"embeddings"})

    def rank(self, pool: Pool, budget: int, rng: np.random.Generator) -> Ranking:
        """See `strategies.base.Strategy`."""
        labelled = np.flatnonzero(pool.labelled)
        positions = np.sort(np.concatenate([pool.open, labelled]))
        count = min(len(labelled) + budget, self.max_clusters, len(positions))
        label, _ = kmeans(pool.embeddings, positions, count, rng, iterations=2)
        by_cluster = np.argsort(label, kind="stable")
        edges = np.searchsorted(label[by_cluster], np.arange(count + 1))
        typical = np.zeros(len(pool))
        queues: list[list[int]] = []
        for cluster in range(count):
            members = positions[by_cluster[edges[cluster] : edges[cluster + 1]]]
            typical[members] = typicality(pool.embeddings, members, self.neighbours, rng)
            free = members[~pool.labelled[members]]
            queues.append(free[np.argsort(-typical[free], kind="stable")].tolist())
        order = _serve(queues, np.diff(edges), np.bincount(label[pool.labelled[positions]], minlength=count), budget)
        return Ranking(order, staircase(len(pool), order, typical), {"typicality": typical})


def typicality(vectors: FloatArray, members: IntArray, neighbours: int, rng: np.random.Generator) -> FloatArray:
    """Inverse mean distance `(m,)` of each member to its nearest members; 1 for a cluster of one."""
    if len(members) < 2:
        return np.ones(len(members))
    base = members if len(members) <= LARGEST else np.sort(rng.choice(members, LARGEST, replace=False))
    rows = vectors[base].astype(np.float32, copy=False)
    nearest = min(neighbours + 1, len(base))
    out = np.empty(len(members))
    for start in range(0, len(members), LARGEST):
        block = members[start : start + LARGEST]
        similarity = (rows if block is base else vectors[block].astype(np.float32, copy=False)) @ rows.T
        similarity.partition(similarity.shape[1] - nearest, axis=1)
        gaps = np.sqrt(np.maximum(2 - 2 * similarity[:, -nearest:], 0))
        # One of them is the item itself, at distance 0.
        out[start : start + len(block)] = 1 / (gaps.sum(axis=1) / max(1, nearest - 1) + 1e-5)
    return out


def _serve(queues: list[list[int]], sizes: NDArray[np.int64], covered: NDArray[np.int64], budget: int) -> IntArray:
    """Pick from the cluster with the fewest labels, the largest first; tiny clusters only when the others are empty."""
    taken = covered.astype(np.int64).copy()
    places = [0] * len(queues)
    order: list[int] = []
    heap = [(bool(sizes[c] < 5), int(taken[c]), -int(sizes[c]), c) for c in range(len(queues)) if queues[c]]
    heapq.heapify(heap)
    while heap and len(order) < budget:
        tiny, labels, size, cluster = heapq.heappop(heap)
        order.append(queues[cluster][places[cluster]])
        places[cluster] += 1
        if places[cluster] < len(queues[cluster]):
            heapq.heappush(heap, (tiny, labels + 1, size, cluster))
    return np.array(order, dtype=np.int64)
