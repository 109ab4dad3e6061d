"""`rank`: the only way to a strategy. Checks what goes in and what comes out, and keeps near-duplicates apart."""

from __future__ import annotations

import dataclasses

import numpy as np

from strategies.base import IntArray, Pool, Ranking, Strategy, StrategyError
from strategies.checks import check_answer, check_needs, check_pool, check_values
from strategies.pools import sorting, take
from strategies.registry import create


def rank(name: str, pool: Pool, budget: int, rng: np.random.Generator, **params: object) -> Ranking:
    """Order up to `budget` unlabeled items of a pool.

    The answer does not depend on the order of the pool: it is sorted by ids first (a copy of the arrays, unless they
    are sorted already). One member of each duplicate group comes first; second members, and members of groups
    with a labeled member, only when nothing else is left.

    Args:
        name: file name of a strategy, see `names`.
        pool: the items.
        budget: how many to order; more than there are means all.
        rng: the only source of randomness: same seed, same answer.
        **params: the strategy's own parameters.

    Returns:
        `min(budget, unlabelled)` distinct unlabeled positions, best first, with the numbers behind them.

    Raises:
        StrategyError: unknown strategy or parameter, a pool that is malformed or lacks what the strategy needs, NaN
            (the message names the item), or an answer that breaks the contract.
    """
    strategy = create(name, params)
    if budget < 0:
        raise StrategyError(f"The budget is {budget}; give 0 or more.")
    check_pool(pool)
    check_needs(name, strategy.needs, pool)
    check_values(strategy, pool)
    positions = sorting(pool)
    canonical = pool if positions is None else take(pool, positions)
    waves = _waves(canonical)
    canonical = dataclasses.replace(canonical, candidates=waves == 0)
    ranking = _ask(name, strategy, canonical, budget, rng)
    ranking = dataclasses.replace(ranking, order=_with_copies(ranking, waves, budget))
    return ranking if positions is None else _back(ranking, positions)


def _ask(name: str, strategy: Strategy, pool: Pool, budget: int, rng: np.random.Generator) -> Ranking:
    revisits = bool(getattr(strategy, "revisits", False))
    candidates = pool.candidates
    assert candidates is not None
    count = min(budget, int(candidates.sum()))
    allowed = candidates | pool.labelled if revisits else candidates
    if not count and not (revisits and budget):
        return Ranking(np.zeros(0, dtype=np.int64), np.zeros(len(pool)))
    ranking = strategy.rank(pool, budget if revisits else count, rng)
    check_answer(name, ranking, pool, len(ranking.order) if revisits else count, allowed)
    if len(ranking.order) < count or len(ranking.order) > budget:
        raise StrategyError(
            f"The strategy {name} broke its contract: it ordered {len(ranking.order)} of {budget} items."
        )
    return ranking


def _waves(pool: Pool) -> IntArray:
    """0 for what may be chosen, 1, 2, ... for what waits, -1 for labeled items.

    The first open member of a group waits for nobody, the second waits for all first ones; a group with a labeled
    member waits for all others. Nine items in four groups, of which one is labeled (L):

        item    0  1  2    3  4  5    6  7    8
        group   A  A  A    B  B  B    C  C    D
        state                 L
        wave    0  1  2    3 -1  4    0  1    0

    A strategy chooses among 0, 6 and 8; then follow 1 and 7, then 2, and last 3 and 5, whose copy has a label.
    """
    n = len(pool)
    if pool.candidates is None and np.all(pool.groups[1:] > pool.groups[:-1]):
        return np.where(pool.labelled, -1, 0).astype(np.int64)
    open_items = ~pool.labelled if pool.candidates is None else pool.candidates
    order = np.lexsort((np.arange(n), ~open_items, pool.groups))
    groups = pool.groups[order]
    starts = np.flatnonzero(np.concatenate([[True], groups[1:] != groups[:-1]])) if n else np.zeros(0, np.int64)
    sizes = np.diff(np.append(starts, n))
    waves = np.empty(n, dtype=np.int64)
    waves[order] = np.arange(n) - np.repeat(starts, sizes)
    taken = np.isin(pool.groups, pool.groups[pool.labelled])
    last = int(waves.max(initial=0)) + 1
    waves[taken] += last
    waves[~open_items] += 2 * last
    waves[pool.labelled] = -1
    return waves


def _with_copies(ranking: Ranking, waves: IntArray, budget: int) -> IntArray:
    """Append the waiting items, wave by wave, best group first."""
    missing = budget - len(ranking.order)
    waiting = np.flatnonzero(waves > 0)
    if missing <= 0 or not len(waiting):
        return ranking.order
    later = waiting[np.lexsort((waiting, -ranking.utilities[waiting], waves[waiting]))][:missing]
    return np.asarray(np.concatenate([ranking.order, later]), dtype=np.int64)


def _back(ranking: Ranking, positions: IntArray) -> Ranking:
    """From positions in the sorted pool to positions in the caller's."""

    inverse = np.empty_like(positions)
    inverse[positions] = np.arange(len(positions))
    return dataclasses.replace(
        ranking,
        order=positions[ranking.order],
        utilities=ranking.utilities[inverse],
        evidence={key: column[inverse] for key, column in ranking.evidence.items()},
    )
