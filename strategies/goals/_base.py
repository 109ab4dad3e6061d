"""The strategy below a goal, and the items a lead names."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from strategies.base import BoolArray, IntArray, Pool, Ranking, StrategyError
from strategies.checks import check_needs, check_values
from strategies.registry import create


def ask(
    base: str,
    params: Mapping[str, object],
    pool: Pool,
    budget: int,
    rng: np.random.Generator,
    candidates: BoolArray | None = None,
) -> Ranking:
    """The order of the strategy `base`, among `candidates` only if given.

    Raises:
        StrategyError: no such strategy, or the pool lacks what it needs.
    """
    narrowed = pool if candidates is None else dataclasses.replace(pool, candidates=candidates)
    strategy = create(base, params)
    check_needs(base, strategy.needs, pool)
    check_values(strategy, pool)
    count = min(budget, len(narrowed.open))
    if count < 1:
        return Ranking(np.zeros(0, dtype=np.int64), np.zeros(len(pool)))
    return strategy.rank(narrowed, count, rng)


def in_place_of(ranking: Ranking, base: str, why: str) -> Ranking:
    """The order of `base`, under its own name and with a note, where a goal has nothing to use.

    Args:
        ranking: what `base` returned.
        base: its name.
        why: why the goal has nothing to use, as the beginning of a sentence.
    """
    by = ranking.by or base
    return dataclasses.replace(ranking, by=by, note=f"{why}, so {by} orders the pool. {ranking.note}".strip())


def positions_of(pool: Pool, ids: Sequence[int], what: str) -> IntArray:
    """Positions of items that a lead names; the pool is sorted by ids.

    Raises:
        StrategyError: an id that the pool does not hold.
    """
    wanted = np.asarray(list(ids), dtype=np.int64)
    places = np.minimum(np.searchsorted(pool.ids, wanted), max(0, len(pool) - 1))
    missing = wanted[pool.ids[places] != wanted] if len(pool) else wanted
    if len(missing):
        raise StrategyError(
            f"There is no item {int(missing[0])} in the pool. Give {what} as ids of images in the pool."
        )
    return np.asarray(places, dtype=np.int64)


def likeness(pool: Pool, examples: IntArray) -> NDArray[np.float64]:
    """Highest cosine similarity `(n,)` of each item to one of the examples."""
    rows = np.asarray(pool.embeddings[examples], dtype=np.float32)
    out = np.empty(len(pool))
    for start in range(0, len(pool), 8192):
        block = np.asarray(pool.embeddings[start : start + 8192], dtype=np.float32)
        out[start : start + 8192] = (block @ rows.T).max(axis=1)
    return out
