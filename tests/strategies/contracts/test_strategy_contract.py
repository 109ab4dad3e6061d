"""What every strategy found must keep; a new file is covered without a line here (design, property 1)."""

from __future__ import annotations

import dataclasses
import re

import numpy as np
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

import strategies
from strategies.base import NEEDS, Pool, Ranking, StrategyError
from tests.strategies.contracts.pools import make_pool, permuted, pools

every_strategy = pytest.mark.parametrize("name", strategies.names())
few = settings(max_examples=10, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)


def ranked(name: str, pool: Pool, budget: int, seed: int = 0) -> Ranking:
    assume("labels" not in strategies.describe(name).needs or bool((pool.labels >= 0).any()))
    return strategies.rank(name, pool, budget, np.random.default_rng(seed))


@every_strategy
@few
@given(pool=pools(), budget=st.integers(0, 30))
def test_distinct_unlabelled_right_length_and_finite(name: str, pool: Pool, budget: int) -> None:
    ranking = ranked(name, pool, budget)
    order = ranking.order
    assert len(np.unique(order)) == len(order)
    assert np.isfinite(ranking.utilities).all()
    assert ranking.utilities.shape == (len(pool),)
    if not strategies.describe(name).revisits:
        assert len(order) == min(budget, int((~pool.labelled).sum()))
        assert not pool.labelled[order].any()
    assert {column.shape for column in ranking.evidence.values()} <= {(len(pool),)}


@every_strategy
@few
@given(pool=pools(), budget=st.integers(1, 30), seed=st.integers(0, 99))
def test_same_seed_same_answer_in_any_order_of_the_pool(name: str, pool: Pool, budget: int, seed: int) -> None:
    first = ranked(name, pool, budget, seed)
    again = ranked(name, pool, budget, seed)
    assert first.order.tolist() == again.order.tolist()
    order = np.random.default_rng(seed).permutation(len(pool))
    shuffled = permuted(pool, order)
    other = ranked(name, shuffled, budget, seed)
    assert pool.ids[first.order].tolist() == shuffled.ids[other.order].tolist()
    assert first.utilities[order].tolist() == other.utilities.tolist()


@every_strategy
@few
@given(pool=pools(), budget=st.integers(1, 30))
def test_one_of_each_duplicate_group_first(name: str, pool: Pool, budget: int) -> None:
    order = [p for p in ranked(name, pool, budget).order if not pool.labelled[p]]
    taken = set(pool.groups[pool.labelled].tolist())
    fresh = {int(g) for g in pool.groups[~pool.labelled]} - taken
    head = order[: len(fresh)]
    assert len({int(pool.groups[p]) for p in head}) == len(head)
    assert not {int(pool.groups[p]) for p in head} & taken


@every_strategy
@few
@given(pool=pools(), budget=st.integers(1, 30))
def test_utilities_agree_with_the_order(name: str, pool: Pool, budget: int) -> None:
    alone = dataclasses.replace(pool, groups=np.arange(len(pool)))
    ranking = ranked(name, alone, budget)
    values = ranking.utilities[ranking.order]
    assert np.all(np.diff(values) <= 1e-6)
    rest = np.setdiff1d(np.flatnonzero(~alone.labelled), ranking.order)
    assert not len(rest) or not len(values) or ranking.utilities[rest].max() <= values.min() + 1e-6


@every_strategy
def test_everything_labelled_leaves_nothing(name: str) -> None:
    pool = make_pool(6, labelled=6)
    order = strategies.rank(name, pool, 4, np.random.default_rng(0)).order
    assert strategies.describe(name).revisits or len(order) == 0


@every_strategy
def test_an_empty_pool_has_an_empty_order(name: str) -> None:
    if "labels" in strategies.describe(name).needs:
        with pytest.raises(StrategyError, match="labelled"):
            strategies.rank(name, make_pool(0), 4, np.random.default_rng(0))
    else:
        assert len(strategies.rank(name, make_pool(0), 4, np.random.default_rng(0)).order) == 0


@every_strategy
def test_what_it_needs_is_asked_for(name: str) -> None:
    whole = make_pool(8, labelled=3)
    without = {
        "probs": dataclasses.replace(
            whole, probs=whole.probs[:0], box_overlaps=whole.box_overlaps[:0], mask_overlaps=whole.mask_overlaps[:0]
        ),
        "members": dataclasses.replace(
            whole, probs=whole.probs[:1], box_overlaps=whole.box_overlaps[:1], mask_overlaps=whole.mask_overlaps[:1]
        ),
        "embeddings": dataclasses.replace(whole, embeddings=whole.embeddings[:, :0]),
        "region_embeddings": dataclasses.replace(whole, region_embeddings=None),
        "labels": dataclasses.replace(whole, labels=np.full(8, -1), labelled=np.zeros(8, bool)),
        "background": dataclasses.replace(whole, background=False),
        "box_overlaps": dataclasses.replace(whole, box_overlaps=None),
        "mask_overlaps": dataclasses.replace(whole, mask_overlaps=None),
    }
    for need in strategies.describe(name).needs:
        with pytest.raises(StrategyError, match=name):
            strategies.rank(name, without[need], 2, np.random.default_rng(0))


ARRAYS = {"probs": "probs", "members": "probs", "embeddings": "embeddings", "region_embeddings": "region_embeddings"}
ARRAYS |= {"box_overlaps": "box_overlaps", "mask_overlaps": "mask_overlaps"}


@every_strategy
def test_not_a_number_names_the_item(name: str) -> None:
    for need in sorted(strategies.describe(name).needs & ARRAYS.keys()):
        pool = make_pool(8, labelled=3)
        spoilt = getattr(pool, ARRAYS[need])
        spoilt[(-1, 5, 1) if spoilt.ndim == 3 else (-1, 5) if "overlaps" in need else (5, 0)] = np.nan
        with pytest.raises(StrategyError, match=rf"Item {pool.ids[5]} \(position 5\)"):
            strategies.rank(name, pool, 2, np.random.default_rng(0))


@every_strategy
def test_it_describes_itself(name: str) -> None:
    info = strategies.describe(name)
    assert info.name == name
    assert info.needs <= NEEDS
    assert re.fullmatch(r"\S[^\n]{10,}\.", info.summary), info.summary
    assert info.paper or info.family in {"baseline", "goals"}


@every_strategy
def test_a_parameter_it_does_not_take_is_refused(name: str) -> None:
    with pytest.raises(StrategyError, match="has no parameter"):
        strategies.rank(name, make_pool(4), 1, np.random.default_rng(0), no_such_thing=1)
