"""Images that probably hold objects of the classes that are rarest so far."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from strategies._math.pointwise import per_item
from strategies._math.simplex import consensus
from strategies._math.staircase import staircase
from strategies.base import Pool, Ranking, StrategyError

MOST = 512
"""Images that are picked one after the other; what follows keeps the order of the last pick."""


@dataclass(frozen=True)
class ClassQuota:
    """Rare objects first: images that probably contain the most objects of classes whose quota is not filled.

    With n_c objects of class c expected among the images labeled or picked so far, the next image maximizes
    sum_c e_c(x) / (1 + n_c), where e_c(x) = sum_b p_b(c); with a quota a class counts only while n_c is below it.

    Args:
        quota: objects wanted of each class; 0 = no limit.
        have: objects of each class on labeled images that are not in the pool, or are there without regions.

    Paper: Wu et al. (2022), Entropy-based Active Learning for Object Detection with Progressive Diversity Constraint,
        arXiv:2204.07965
    """

    quota: int = 0
    have: tuple[float, ...] = ()
    needs: ClassVar[frozenset[str]] = frozenset({"probs", "background"})

    def rank(self, pool: Pool, budget: int, rng: np.random.Generator) -> Ranking:
        """See `strategies.base.Strategy`."""
        if self.quota < 0:
            raise StrategyError(f"The quota must be 0 or more objects, not {self.quota}.")
        expected = expected_objects(pool)
        have = expected[pool.labelled].sum(axis=0)
        if len(self.have) not in (0, len(have)):
            raise StrategyError(
                f"There are {len(have)} classes but {len(self.have)} numbers of objects. Give one for each class."
            )
        have = have + np.array(self.have or [0.0] * len(have))
        worth = self._worth(have)
        first = expected @ worth
        waiting = pool.open
        order: list[int] = []
        while len(order) < min(budget, MOST):
            gains = expected[waiting] @ self._worth(have)
            place = int(gains.argmax())
            order.append(int(waiting[place]))
            have = have + expected[order[-1]]
            waiting = np.delete(waiting, place)
        rest = waiting[np.argsort(-(expected[waiting] @ self._worth(have)), kind="stable")][: budget - len(order)]
        ranked = np.concatenate([np.array(order, dtype=np.int64), rest]).astype(np.int64)
        return Ranking(ranked, staircase(len(pool), ranked, first), _evidence(expected, worth))

    def _worth(self, have: NDArray[np.float64]) -> NDArray[np.float64]:
        worth = 1 / (1 + have)
        return np.where(have < self.quota, worth, 0.0) if self.quota else worth


def _evidence(expected: NDArray[np.float64], worth: NDArray[np.float64]) -> dict[str, NDArray[np.float64]]:
    rarest = (expected * worth).argmax(axis=1) if len(worth) else np.zeros(len(expected), dtype=np.int64)
    count = expected[np.arange(len(expected)), rarest] if len(worth) else np.zeros(len(expected))
    return {
        "rarity": expected @ worth,
        "expected_objects": expected.sum(axis=1),
        "rare_class": rarest.astype(np.float64),
        "rare_count": count,
    }


def expected_objects(pool: Pool) -> NDArray[np.float64]:
    """How many objects of each class other than the background an image probably holds, `(n, classes - 1)`."""
    mean = consensus(pool.probs.astype(np.float32, copy=False))[:, :-1]
    columns = [per_item(np.ascontiguousarray(column), pool.offsets, "sum") for column in mean.T]
    return np.stack(columns, axis=1) if columns else np.zeros((len(pool), 0))
