"""Uncertainty weighted by how hard a class is, then images whose objects differ from each other's."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from strategies._math.pointwise import Float32, best, per_item, region_scores
from strategies._math.simplex import consensus, entropy
from strategies._math.staircase import staircase
from strategies.base import BoolArray, IntArray, Pool, Ranking, StrategyError
from strategies.detection._regions import foreground, labels_of

ALPHA, BETA = 0.3, 0.2
MOST_CANDIDATES = 600
ROUNDS = 10


@dataclass(frozen=True)
class Ppal:
    """Difficulty-calibrated uncertainty, then category-conditioned matching similarity for diversity.

    First: u(x) = sum_b w_c(b) H(p_b) with w_c = 1 + ALPHA BETA log(1 + (e^(1/ALPHA) - 1) d_c), d_c the difficulty of
    class c in [0, 1]; the `pool_factor` x budget highest are candidates. Then k medoids of them by the similarity
    S(x, y) = (S'(x, y) + S'(y, x)) / 2, S'(x, y) = sum_b s_b max_b' cos(f_b, f_b') / sum_b s_b over the boxes b' of y
    of the same class (0 without one), s_b the score: one image of each group of images with the same objects.

    Args:
        difficulty: of each class, 0 (easy) to 1; empty: 1 - the mean score of its boxes in the pool.
        pool_factor: candidates per pick, at least 1.

    Paper: Yang, Huang, Crowley (2024), Plug and Play Active Learning for Object Detection, arXiv:2211.11612
    """

    difficulty: tuple[float, ...] = ()
    pool_factor: float = 4.0
    needs: ClassVar[frozenset[str]] = frozenset({"probs", "background", "region_embeddings"})

    def rank(self, pool: Pool, budget: int, rng: np.random.Generator) -> Ranking:
        """See `strategies.base.Strategy`."""
        if self.pool_factor < 1:
            raise StrategyError(f"The pool factor must be at least 1, not {self.pool_factor}.")
        weights = self._weights(pool)
        unsure = per_item(region_scores(pool, lambda probs: entropy(consensus(probs))) * weights, pool.offsets, "sum")
        count = max(budget, min(round(self.pool_factor * budget), MOST_CANDIDATES))
        candidates = best(pool, unsure, count)
        evidence = {"uncertainty": unsure}
        if len(candidates) <= budget or budget > MOST_CANDIDATES:
            return Ranking(candidates[:budget], staircase(len(pool), candidates[:budget], unsure), evidence)
        alike = similarity(pool, candidates)
        medoids = k_medoids(alike, budget)
        # The most uncertain of them first, as the candidates stand.
        order = candidates[np.sort(medoids)]
        return Ranking(order, staircase(len(pool), order, unsure), evidence)

    def _weights(self, pool: Pool) -> Float32:
        """Weight of each region by the difficulty of its class, `(regions,)`."""
        labels, classes = labels_of(pool), max(1, pool.probs.shape[2] - 1)
        if self.difficulty:
            if len(self.difficulty) != classes:
                raise StrategyError(
                    f"There are {classes} classes but {len(self.difficulty)} difficulties. Give one for each class."
                )
            hard = np.clip(np.array(self.difficulty, dtype=np.float64), 0, 1)
        else:
            scores = foreground(pool).astype(np.float64)
            seen = np.bincount(labels, minlength=classes)
            hard = 1 - np.bincount(labels, weights=scores, minlength=classes) / np.maximum(seen, 1)
        weights = 1 + ALPHA * BETA * np.log1p((math.exp(1 / ALPHA) - 1) * hard)
        return weights.astype(np.float32)[labels]


def similarity(pool: Pool, candidates: IntArray) -> NDArray[np.float64]:
    """Category-conditioned matching similarity of the candidates, `(k, k)`, symmetric."""
    assert pool.region_embeddings is not None
    counts = np.diff(pool.offsets)[candidates]
    starts = np.concatenate([[0], np.cumsum(counts)])
    regions = np.repeat(pool.offsets[candidates] - starts[:-1], counts) + np.arange(int(starts[-1]))
    vectors = pool.region_embeddings[regions].astype(np.float32)
    labels, scores = labels_of(pool)[regions], foreground(pool)[regions].astype(np.float64)
    one_way = np.zeros((len(candidates), len(candidates)))
    filled = np.flatnonzero(counts)
    for row in filled:
        own = slice(int(starts[row]), int(starts[row + 1]))
        cosine = vectors[own] @ vectors.T
        cosine[labels[own, None] != labels[None, :]] = 0.0
        nearest = np.maximum.reduceat(cosine, starts[filled], axis=1)
        total = scores[own].sum()
        one_way[row, filled] = scores[own] @ nearest / total if total > 0 else 0.0
    return (one_way + one_way.T) / 2


def k_medoids(alike: NDArray[np.float64], count: int) -> IntArray:
    """`count` rows that stand for all: farthest first from row 0, then each group's center, at most `ROUNDS` times.

    Args:
        alike: `(k, k)` symmetric similarities.
        count: at most k.
    """
    medoids = [0]
    nearest = alike[0].copy()
    for _ in range(count - 1):
        open_rows = np.ones(len(alike), dtype=bool)
        open_rows[medoids] = False
        medoids.append(int(np.where(open_rows, nearest, np.inf).argmin()))
        nearest = np.maximum(nearest, alike[medoids[-1]])
    chosen = np.array(medoids, dtype=np.int64)
    for _ in range(ROUNDS):
        owner = alike[chosen].argmax(axis=0)
        owner[chosen] = np.arange(count)
        centres = np.array([_centre(alike, owner == group, int(chosen[group])) for group in range(count)])
        if np.array_equal(centres, chosen):
            break
        chosen = centres
    return chosen


def _centre(alike: NDArray[np.float64], group: BoolArray, before: int) -> int:
    members = np.flatnonzero(group)
    sums = alike[np.ix_(members, members)].sum(axis=1)
    best_one = int(members[sums.argmax()])
    # An equal one is not a reason to move; else rounds would never settle.
    return before if sums.max() <= sums[members == before].max() + 1e-12 else best_one
