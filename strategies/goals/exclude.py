"""Nothing like these."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np

from strategies._math.staircase import staircase
from strategies.base import Pool, Ranking
from strategies.goals._base import ask, in_place_of, likeness, positions_of


@dataclass(frozen=True)
class Exclude:
    """Images unlike the ones that a lead excluded come first, ordered by another strategy; the others come last.

    An image is excluded when max_{e in examples} cos(h(x), h(e)) >= similarity; excluded ones come in order of falling
    distance, for nothing is ever lost.

    Args:
        unlike: ids of the examples.
        similarity: cosine from which an image counts as like an example.
        base: the strategy that orders the others.
        base_params: its parameters.
    """

    unlike: Sequence[int] = ()
    similarity: float = 0.8
    base: str = "auto"
    base_params: Mapping[str, object] = field(default_factory=dict)
    needs: ClassVar[frozenset[str]] = frozenset({"embeddings"})

    def rank(self, pool: Pool, budget: int, rng: np.random.Generator) -> Ranking:
        """See `strategies.base.Strategy`."""
        if not len(self.unlike):
            return in_place_of(ask(self.base, self.base_params, pool, budget, rng), self.base, "Nothing is excluded")
        alike = likeness(pool, positions_of(pool, self.unlike, "an excluded example"))
        excluded = alike >= self.similarity
        open_items = pool.open
        kept = np.zeros(len(pool), dtype=bool)
        kept[open_items] = ~excluded[open_items]
        inner = ask(self.base, self.base_params, pool, budget, rng, kept)
        last = open_items[excluded[open_items]]
        last = last[np.argsort(alike[last], kind="stable")]
        order = np.concatenate([inner.order, last])[:budget]
        utilities = staircase(len(pool), order, np.where(excluded, -1 - alike, inner.utilities))
        evidence = {**inner.evidence, "excluded": excluded.astype(np.float64)}
        return Ranking(order, utilities, evidence, inner.note, inner.facts)
