"""A quota for rare classes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from strategies._math.item_probs import distributions
from strategies._math.staircase import staircase
from strategies.base import IntArray, Pool, Ranking, StrategyError
from strategies.goals._base import ask


@dataclass(frozen=True)
class ClassBalance:
    """Fills classes that have too few labels, choosing among the items that another strategy ranks highest.

    Each pick goes to the class c with the largest deficit q_c N - n_c, q the wanted shares, n_c labels plus expected
    labels of the picks so far: the item with the highest p(c|x) (1 - r(x) / 2), r in [0, 1) its place in the base.

    Args:
        shares: wanted share of each class, in the order of the probabilities; empty = equal.
        base: the strategy whose order is balanced.
        base_params: its parameters.
        factor: how many of the base's items per pick are considered.

    Paper: Bengar, van de Weijer, Fuentes, Raducanu (2022), Class-Balanced Active Learning for Image Classification,
        arXiv:2110.04543
    """

    shares: Sequence[float] = ()
    base: str = "margin"
    base_params: Mapping[str, object] = field(default_factory=dict)
    factor: float = 5.0
    needs: ClassVar[frozenset[str]] = frozenset({"probs"})

    def rank(self, pool: Pool, budget: int, rng: np.random.Generator) -> Ranking:
        """See `strategies.base.Strategy`."""
        wanted = self._wanted(pool.probs.shape[2])
        inner = ask(self.base, self.base_params, pool, int(max(budget, self.factor * budget)), rng)
        known = np.bincount(pool.labels[pool.labels >= 0], minlength=len(wanted))[: len(wanted)].astype(np.float64)
        probs = distributions(pool)[inner.order].astype(np.float64)
        picks, classes = balanced(probs, known, wanted, budget)
        order = inner.order[picks]
        asked = np.full(len(pool), np.nan)
        asked[order] = classes
        utilities = staircase(len(pool), order, inner.utilities)
        return Ranking(order, utilities, {**inner.evidence, "wanted_class": asked}, inner.note, inner.facts)

    def _wanted(self, classes: int) -> NDArray[np.float64]:
        shares = np.asarray(self.shares if len(self.shares) else np.ones(classes), dtype=np.float64)
        if shares.shape != (classes,) or not np.all(shares >= 0) or not shares.sum() > 0:
            raise StrategyError(f"Give {classes} non-negative shares, one per class, not {list(self.shares)}.")
        return np.asarray(shares / shares.sum())


def balanced(
    probs: NDArray[np.float64], known: NDArray[np.float64], wanted: NDArray[np.float64], budget: int
) -> tuple[IntArray, NDArray[np.float64]]:
    """Picks `(budget,)` among items in a base's order, and the class that each was picked for.

    Args:
        probs: `(m, c)` of the items, best of the base first.
        known: `(c,)` labels there are.
        wanted: `(c,)` shares, sum 1.
        budget: at most m.
    """
    counts = known.copy()
    favour = 1 - np.arange(len(probs)) / (2 * max(1, len(probs)))
    free = np.ones(len(probs), dtype=bool)
    picks: list[int] = []
    classes: list[float] = []
    for _ in range(budget):
        deficit = wanted * (counts.sum() + 1) - counts
        rare = int(deficit.argmax())
        pick = int(np.where(free, probs[:, rare] * favour, -1.0).argmax())
        free[pick] = False
        counts += probs[pick]
        picks.append(pick)
        classes.append(float(rare))
    return np.array(picks, dtype=np.int64), np.array(classes)
