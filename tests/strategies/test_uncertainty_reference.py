"""Each uncertainty strategy against its formula, written plainly."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from numpy.typing import NDArray

import strategies
from strategies.base import Pool, StrategyError
from strategies.uncertainty.batch_bald import Joint
from tests.strategies.contracts.pools import make_pool


def utilities(name: str, pool: Pool) -> NDArray[np.float64]:
    return strategies.rank(name, pool, len(pool), np.random.default_rng(0)).utilities


def plain_entropy(rows: NDArray[np.floating]) -> NDArray[np.floating]:
    return -(rows * np.log(rows)).sum(axis=-1)


@pytest.fixture
def pool() -> Pool:
    return make_pool(25, classes=4, members=5, seed=8)


def test_least_confidence(pool: Pool) -> None:
    np.testing.assert_allclose(utilities("least_confidence", pool), 1 - pool.probs.mean(0).max(1), atol=1e-6)


def test_variation_ratio(pool: Pool) -> None:
    votes = pool.probs.argmax(2)
    plain = [1 - np.bincount(votes[:, i]).max() / 5 for i in range(25)]
    np.testing.assert_allclose(utilities("variation_ratio", pool), plain, atol=1e-6)


def test_vote_entropy(pool: Pool) -> None:
    votes = pool.probs.argmax(2)
    plain = []
    for item in range(25):
        share = np.bincount(votes[:, item]) / 5
        plain.append(-sum(p * np.log(p) for p in share if p))
    np.testing.assert_allclose(utilities("vote_entropy", pool), plain, atol=1e-5)


def test_bald_is_consensus_kl(pool: Pool) -> None:
    exact = pool.probs.astype(np.float64)
    mean = exact.mean(0)
    bald = plain_entropy(mean) - plain_entropy(exact).mean(0)
    divergence = (exact * np.log(exact / mean)).sum(2).mean(0)
    np.testing.assert_allclose(utilities("bald", pool), bald, atol=1e-5)
    np.testing.assert_allclose(utilities("consensus_kl", pool), divergence, atol=1e-5)
    np.testing.assert_allclose(bald, divergence, atol=1e-9)


def test_members_that_agree_have_nothing_to_tell() -> None:
    pool = make_pool(9, members=3)
    pool.probs[:] = pool.probs[:1]
    for name in ("bald", "consensus_kl", "variation_ratio", "vote_entropy"):
        np.testing.assert_allclose(utilities(name, pool), 0, atol=1e-6)


def plain_joint_information(probs: NDArray[np.floating], items: list[int]) -> float:
    """I(y_items; w) by the sum over every joint label."""
    exact = probs.astype(np.float64)
    classes = exact.shape[2]
    joint = 0.0
    for labels in itertools.product(range(classes), repeat=len(items)):
        each = np.prod([exact[:, item, label] for item, label in zip(items, labels, strict=True)], axis=0)
        p = each.mean()
        joint -= p * np.log(p)
    return float(joint - sum(plain_entropy(exact[:, item]).mean() for item in items))


def test_batch_bald_equals_brute_force() -> None:
    pool = make_pool(12, classes=3, members=4, seed=4)
    picks: list[int] = []
    for _ in range(4):
        left = [item for item in range(12) if item not in picks]
        picks.append(max(left, key=lambda item: plain_joint_information(pool.probs, [*picks, item])))
    order = strategies.rank("batch_bald", pool, 4, np.random.default_rng(0)).order.tolist()
    assert order == picks


def test_sampled_joint_entropy_is_close() -> None:
    pool = make_pool(12, classes=3, members=4, seed=4)
    exact, sampled = (Joint(pool.probs, limit, np.random.default_rng(1)) for limit in (10**6, 3000))
    for item in range(8):
        exact.add(item)
        sampled.add(item)
    assert sampled.sampled
    assert not exact.sampled
    np.testing.assert_allclose(sampled.gains(np.array([9, 10])), exact.gains(np.array([9, 10])), atol=0.08)


def test_batch_bald_avoids_what_bald_repeats() -> None:
    """Copies of the best item bring nothing new; BALD takes them all, BatchBALD does not."""
    pool = make_pool(6, classes=2, members=4)
    a = np.array([[0.99, 0.01], [0.99, 0.01], [0.01, 0.99], [0.01, 0.99]])
    b = np.array([[0.9, 0.1], [0.1, 0.9], [0.9, 0.1], [0.1, 0.9]])
    for item, rows in enumerate([a, a, a, b, a, a]):
        pool.probs[:, item] = rows
    assert 3 not in strategies.rank("bald", pool, 2, np.random.default_rng(0)).order
    assert 3 in strategies.rank("batch_bald", pool, 2, np.random.default_rng(0)).order


@pytest.mark.parametrize("name", ["power", "softmax"])
def test_stochastic_batches_follow_their_odds(name: str) -> None:
    pool = make_pool(4, members=1, classes=2)
    pool.probs[0] = [[0.5, 0.5], [0.9, 0.1], [0.99, 0.01], [0.7, 0.3]]
    unsure = plain_entropy(pool.probs[0].astype(np.float64)) / np.log(2)
    odds = unsure**2 if name == "power" else np.exp(2 * unsure)
    draws = [int(strategies.rank(name, pool, 1, np.random.default_rng(s), beta=2).order[0]) for s in range(1500)]
    np.testing.assert_allclose(np.bincount(draws, minlength=4) / 1500, odds / odds.sum(), atol=0.04)


def test_an_unknown_measure_or_aggregate_is_refused(pool: Pool) -> None:
    with pytest.raises(StrategyError, match="'measure' must be one of"):
        strategies.rank("power", pool, 1, np.random.default_rng(0), measure="mood")
    with pytest.raises(StrategyError, match="'aggregate' must be one of"):
        strategies.rank("bald", make_pool(3, regions=2), 1, np.random.default_rng(0), aggregate="median")
    with pytest.raises(StrategyError, match="at least 1"):
        strategies.rank("batch_bald", pool, 1, np.random.default_rng(0), batch=0)
