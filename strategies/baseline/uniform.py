"""Random order: what every other strategy must beat."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from strategies._math.pointwise import best
from strategies.base import Pool, Ranking


@dataclass(frozen=True)
class Uniform:
    """Random order; every unlabeled item has the same chance.

    u(x) ~ Uniform[0, 1), one draw per item.
    """

    needs: ClassVar[frozenset[str]] = frozenset()

    def rank(self, pool: Pool, budget: int, rng: np.random.Generator) -> Ranking:
        """See `strategies.base.Strategy`."""
        utilities = rng.random(len(pool))
        return Ranking(best(pool, utilities, budget), utilities)
