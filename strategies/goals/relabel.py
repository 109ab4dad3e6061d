"""Doubtful labels first."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np

from strategies._math.item_probs import distributions
from strategies._math.staircase import staircase
from strategies.base import IntArray, Pool, Ranking
from strategies.goals._base import ask, in_place_of


@dataclass(frozen=True)
class Relabel:
    """Labeled images whose label is probably wrong come first, then unlabeled ones in another strategy's order.

    A label y of x is doubted when another class k has p(k|x) >= t_k, t_k the mean p(k|x) of the items labeled k (a
    confident joint off the diagonal), and p(k|x) > p(y|x). Order: p(y|x) - max_k p(k|x), lowest first. The
    probabilities should come from a model that did not train on the item; one that did doubts too little.

    Args:
        base: the strategy that orders the unlabeled images.
        base_params: its parameters.

    Paper: Northcutt, Jiang, Chuang (2021), Confident Learning: Estimating Uncertainty in Dataset Labels,
        arXiv:1911.00068
    """

    base: str = "margin"
    base_params: Mapping[str, object] = field(default_factory=dict)
    needs: ClassVar[frozenset[str]] = frozenset({"probs"})
    revisits: ClassVar[bool] = True

    def rank(self, pool: Pool, budget: int, rng: np.random.Generator) -> Ranking:
        """See `strategies.base.Strategy`."""
        doubted, doubt = doubtful(pool)
        doubted = doubted[:budget]
        inner = ask(self.base, self.base_params, pool, budget - len(doubted), rng)
        order = np.concatenate([doubted, inner.order])
        if not len(doubted):
            return in_place_of(inner, self.base, "No label looks wrong")
        column = np.full(len(pool), np.nan)
        column[doubted] = doubt[doubted]
        utilities = staircase(len(pool), order, inner.utilities)
        note = f"{len(doubted)} labels that are probably wrong come first."
        return Ranking(order, utilities, {**inner.evidence, "label_doubt": column}, note, inner.facts)


def doubtful(pool: Pool) -> tuple[IntArray, np.ndarray[tuple[int, ...], np.dtype[np.float64]]]:
    """Positions of doubted labels, most doubted first, and 1 - p(label) `(n,)` (0 where there is no label)."""
    probs = distributions(pool).astype(np.float64)
    classes = probs.shape[1]
    known = np.flatnonzero((pool.labels >= 0) & (pool.labels < classes))
    doubt = np.zeros(len(pool))
    if classes < 2 or not len(known):
        return np.zeros(0, dtype=np.int64), doubt
    labels, rows = pool.labels[known], probs[known]
    counts = np.bincount(labels, minlength=classes)
    own = rows[np.arange(len(known)), labels]
    usual = np.where(counts > 0, np.bincount(labels, weights=own, minlength=classes) / np.maximum(counts, 1), np.inf)
    others = rows.copy()
    others[np.arange(len(known)), labels] = -1
    confident = np.where(others >= usual, others, -1).max(axis=1)
    doubt[known] = 1 - own
    margin = own - others.max(axis=1)
    found = np.flatnonzero((confident >= 0) & (confident > own))
    found = found[np.argsort(margin[found], kind="stable")]
    return known[found], doubt
