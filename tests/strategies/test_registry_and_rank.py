"""The way in: discovery, parameters, checks, order of duplicates."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest

import strategies
from strategies.base import Pool, Ranking, StrategyError
from strategies.checks import check_answer
from strategies.entry import _waves
from tests.strategies.contracts.pools import make_pool


def rng() -> np.random.Generator:
    return np.random.default_rng(0)


def test_strategies_are_found_by_file_name() -> None:
    assert {"uniform", "entropy", "margin", "core_set"} <= set(strategies.names())
    assert not [name for name in strategies.names() if name.startswith("_")]


def test_an_unknown_strategy_lists_the_known() -> None:
    with pytest.raises(StrategyError, match=r"no strategy named 'magic'.*core_set"):
        strategies.rank("magic", make_pool(3), 1, rng())


def test_accepted_keeps_what_a_strategy_takes() -> None:
    offered = {"aggregate": "max", "competence": {}}
    assert strategies.accepted("entropy", offered) == {"aggregate": "max"}
    assert strategies.accepted("uniform", offered) == {}


def test_first_copies_then_second_then_groups_with_a_labelled_member() -> None:
    pool = make_pool(7)
    labelled = np.array([True, False, False, False, False, False, False])
    pool = dataclasses.replace(
        pool, labelled=labelled, labels=np.where(labelled, 0, -1), groups=np.array([0, 0, 1, 1, 1, 2, 3])
    )
    order = strategies.rank("uniform", pool, 99, rng()).order.tolist()
    assert set(order[:3]) == {2, 5, 6}
    assert order[3:] == [3, 4, 1]


def test_the_waves_are_as_they_are_drawn() -> None:
    drawn = {
        line.split()[0]: line.split()[1:] for line in (_waves.__doc__ or "").splitlines() if line.startswith(" " * 8)
    }
    labelled = np.arange(9) == 4
    groups = np.array([ord(letter) for letter in drawn["group"]])
    pool = dataclasses.replace(make_pool(9), labelled=labelled, labels=np.where(labelled, 0, -1), groups=groups)
    assert _waves(pool).tolist() == [int(wave) for wave in drawn["wave"]]


def test_a_pool_may_narrow_the_choice() -> None:
    pool = dataclasses.replace(make_pool(5), candidates=np.array([False, True, False, True, True]))
    order = strategies.rank("uniform", pool, 5, rng()).order.tolist()
    assert set(order[:3]) == {1, 3, 4}
    assert order[3:] in ([0, 2], [2, 0])


def test_budget_below_zero_is_refused() -> None:
    with pytest.raises(StrategyError, match="budget is -1"):
        strategies.rank("uniform", make_pool(3), -1, rng())


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"ids": np.array([1, 2, 2, 4])}, "Id 2 occurs more than once"),
        ({"groups": np.zeros(3, np.int64)}, "groups has shape"),
        ({"offsets": np.array([0, 1, 2, 3, 5])}, "Offsets"),
        ({"offsets": np.array([0, 2, 1, 3, 4])}, "Offsets"),
        ({"embeddings": np.ones((3, 2), np.float32)}, "embeddings of shape"),
        ({"probs": np.ones((4, 2), np.float32)}, "Probabilities have shape"),
        ({"labels": np.array([-1, 1, -1, -1])}, "position 1.*not marked as labeled"),
        ({"candidates": np.ones(3, bool)}, "Candidates"),
    ],
)
def test_a_malformed_pool_is_refused_in_words(change: dict[str, Any], message: str) -> None:
    with pytest.raises(StrategyError, match=message):
        strategies.rank("uniform", dataclasses.replace(make_pool(4), **change), 1, rng())


@pytest.mark.parametrize("value", [[0.5, 0.9, 0.1], [1.2, -0.2, 0.0], [np.inf, 0, 0]])
def test_no_distribution_names_the_item(value: list[float]) -> None:
    pool = make_pool(4)
    pool.probs[0, 2] = value
    with pytest.raises(StrategyError, match="position 2"):
        strategies.rank("entropy", pool, 1, rng())


def test_vectors_must_have_length_one() -> None:
    pool = make_pool(4)
    pool.embeddings[3] *= 2
    with pytest.raises(StrategyError, match=r"position 3.*length 2"):
        strategies.rank("core_set", pool, 1, rng())


@pytest.mark.parametrize(
    ("ranking", "message"),
    [
        (Ranking(np.array([1, 1]), np.zeros(4)), "twice"),
        (Ranking(np.array([1]), np.zeros(4)), "instead of 2"),
        (Ranking(np.array([0, 1]), np.zeros(4)), "not a candidate"),
        (Ranking(np.array([1, 9]), np.zeros(4)), "not a candidate"),
        (Ranking(np.array([1, 2]), np.array([0, 0, np.nan, 0])), "finite"),
        (Ranking(np.array([1, 2]), np.zeros(4), {"x": np.zeros(3)}), "evidence x"),
    ],
)
def test_an_answer_that_breaks_the_contract_never_leaves(ranking: Ranking, message: str) -> None:
    pool: Pool = make_pool(4)
    with pytest.raises(StrategyError, match=f"strategy odd broke its contract.*{message}"):
        check_answer("odd", ranking, pool, 2, np.array([False, True, True, True]))
