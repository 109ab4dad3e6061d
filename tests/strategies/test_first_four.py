"""uniform, entropy, margin and core_set against plain references."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import entropy as scipy_entropy

import strategies
from strategies.base import Pool
from tests.strategies.contracts.pools import make_pool, unit


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def test_uniform_gives_every_item_the_same_chance() -> None:
    pool = make_pool(6, labelled=1)
    first = [int(strategies.rank("uniform", pool, 1, rng(seed)).order[0]) for seed in range(600)]
    counts = np.bincount(first, minlength=6)[~pool.labelled]
    assert counts.min() > 80


@pytest.mark.parametrize("aggregate", ["mean", "max", "sum"])
def test_entropy_equals_scipy(aggregate: str) -> None:
    pool = make_pool(30, classes=4, members=3, regions=None, seed=2)
    utilities = strategies.rank("entropy", pool, 30, rng(), aggregate=aggregate).utilities
    for item in range(30):
        rows = pool.probs.mean(axis=0)[pool.offsets[item] : pool.offsets[item + 1]]
        values = scipy_entropy(rows, axis=1) if len(rows) else np.zeros(1)
        assert utilities[item] == pytest.approx(getattr(np, aggregate)(values), abs=1e-5)


def test_certain_items_have_no_entropy() -> None:
    pool = make_pool(2, members=1, classes=3)
    pool.probs[0, 0] = [0, 1, 0]
    assert strategies.rank("entropy", pool, 2, rng()).utilities[0] == 0


def test_margin_equals_a_sort() -> None:
    pool = make_pool(40, classes=5, members=2, seed=3)
    ordered = np.sort(pool.probs.mean(axis=0), axis=1)
    ranking = strategies.rank("margin", pool, 40, rng())
    np.testing.assert_allclose(ranking.utilities, 1 - (ordered[:, -1] - ordered[:, -2]), atol=1e-6)
    assert ranking.order[0] == np.argmax(ranking.utilities)


def plain_core_set(pool: Pool, budget: int) -> list[int]:
    vectors = pool.embeddings.astype(np.float64)
    centres = list(np.flatnonzero(pool.labelled))
    picks: list[int] = []
    while len(picks) < budget:
        if centres:
            gaps = np.linalg.norm(vectors[:, None] - vectors[centres][None], axis=2).min(axis=1)
        else:
            gaps = vectors @ vectors.mean(axis=0)
        gaps[centres] = -1
        picks.append(int(gaps.argmax()))
        centres.append(picks[-1])
    return picks


@pytest.mark.parametrize("labelled", [0, 1, 12])
def test_core_set_equals_plain_greedy(labelled: int) -> None:
    pool = make_pool(300, dimension=6, labelled=labelled, seed=5)
    assert strategies.rank("core_set", pool, 60, rng()).order.tolist() == plain_core_set(pool, 60)


def test_core_set_is_exact_where_the_window_is_small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("strategies._math.farthest.WINDOW", 16)
    monkeypatch.setattr("strategies._math.farthest.BLOCK_ROWS", 7)
    pool = make_pool(400, dimension=4, labelled=9, seed=6)
    assert strategies.rank("core_set", pool, 150, rng()).order.tolist() == plain_core_set(pool, 150)


def test_core_set_reads_any_float_type() -> None:
    pool = make_pool(50, labelled=5)
    half = unit(pool.embeddings).astype(np.float16)
    assert len(strategies.rank("core_set", Pool(**{**vars(pool), "embeddings": half}), 9, rng()).order) == 9
