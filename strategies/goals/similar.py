"""More like these."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np

from strategies._math.pointwise import best
from strategies._math.staircase import staircase
from strategies.base import Pool, Ranking, StrategyError
from strategies.goals._base import ask, in_place_of, likeness, positions_of


@dataclass(frozen=True)
class Similar:
    """Images similar to the ones that a lead chose; another strategy may choose among the most similar.

    u(x) = max_{e in examples} cos(h(x), h(e)). With a `base`, it orders the `factor` x budget most similar images.
    Without examples the base (or "auto") orders all, under its own name.

    Args:
        like: ids of the examples.
        base: a strategy that chooses among the most similar, or "" for similarity alone.
        base_params: its parameters.
        factor: how many similar images per pick the base may choose from.
    """

    like: Sequence[int] = ()
    base: str = ""
    base_params: Mapping[str, object] = field(default_factory=dict)
    factor: float = 3.0
    needs: ClassVar[frozenset[str]] = frozenset({"embeddings"})

    def __post_init__(self) -> None:
        if self.factor < 1:
            raise StrategyError(
                f"'factor' is the number of similar images per pick and must be at least 1, not {self.factor}."
            )

    def rank(self, pool: Pool, budget: int, rng: np.random.Generator) -> Ranking:
        """See `strategies.base.Strategy`."""
        if not len(self.like):
            base = self.base or "auto"
            return in_place_of(ask(base, self.base_params, pool, budget, rng), base, "No example is chosen")
        alike = likeness(pool, positions_of(pool, self.like, "an example"))
        if not self.base:
            return Ranking(best(pool, alike, budget), alike, {"likeness": alike})
        near = np.zeros(len(pool), dtype=bool)
        near[best(pool, alike, min(len(pool.open), int(self.factor * budget)))] = True
        inner = ask(self.base, self.base_params, pool, budget, rng, near)
        utilities = staircase(len(pool), inner.order, alike)
        return Ranking(inner.order, utilities, {**inner.evidence, "likeness": alike}, inner.note, inner.facts)
