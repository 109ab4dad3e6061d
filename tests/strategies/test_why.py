"""Sentences from evidence."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

import strategies
from strategies.base import Pool, Ranking
from strategies.why import phrase
from tests.strategies.contracts.pools import make_pool as make_any_pool
from tests.strategies.contracts.pools import unit

CLASSES = ["NILM", "LSIL", "HSIL"]


def make_pool(n: int, **options: Any) -> Pool:
    """Regions without a background: classes of images, or of their parts."""
    return replace(make_any_pool(n, **options), background=False)


def two_far_apart() -> Pool:
    pool = make_pool(12, members=1, classes=3, dimension=4, labelled=2, seed=1)
    pool.probs[0, :] = [0.98, 0.01, 0.01]
    open_item = int(np.flatnonzero(~pool.labelled)[3])
    pool.probs[0, open_item] = [0.1, 0.46, 0.44]
    pool.embeddings[:] = unit(np.array([[1.0, 0.01 * i, 0, 0] for i in range(12)]))
    pool.embeddings[open_item] = [0, 0, 0, 1]
    return pool


def test_it_names_the_two_classes() -> None:
    pool = two_far_apart()
    ranking = strategies.rank("entropy", pool, 10, np.random.default_rng(0))
    said = phrase(ranking, pool, CLASSES, int(ranking.order[0]))
    assert said == "uncertain between LSIL and HSIL: 0.46 / 0.44"


def test_it_names_the_distance() -> None:
    pool = two_far_apart()
    ranking = strategies.rank("kmeans_plus_plus", pool, 10, np.random.default_rng(0))
    assert {phrase(ranking, pool, CLASSES, int(place)) for place in ranking.order} == {
        "drawn at random, with a probability that grows with its distance from what is labeled or came before it"
    }


def test_a_sure_item_is_said_to_be_sure() -> None:
    pool = two_far_apart()
    ranking = strategies.rank("entropy", pool, 10, np.random.default_rng(0))
    assert phrase(ranking, pool, CLASSES, int(ranking.order[-1])) == "probably NILM: 0.98"


def test_regions_are_counted() -> None:
    pool = make_pool(3, members=1, classes=3, regions=2)
    pool.probs[0, 2] = [0.5, 0.4, 0.1]
    ranking = strategies.rank("entropy", pool, 3, np.random.default_rng(0))
    assert phrase(ranking, pool, CLASSES[:1], 1).startswith("one of 2 regions is uncertain between")


def test_without_a_model_nothing_is_pretended() -> None:
    pool = make_pool(5, members=0)
    random = strategies.rank("uniform", pool, 5, np.random.default_rng(0))
    assert phrase(random, pool, CLASSES, int(random.order[0])) == "drawn at random"
    spread = strategies.rank("core_set", pool, 5, np.random.default_rng(0))
    assert "certain" not in phrase(spread, pool, CLASSES, int(spread.order[0]))


def test_goals_come_first() -> None:
    pool = make_pool(4, labelled=1)
    column = np.full(4, np.nan)
    column[2] = 0.87
    ranking = Ranking(np.array([2]), np.zeros(4), {"likeness": column})
    assert phrase(ranking, pool, CLASSES, 2) == "similar to your examples: 0.87"
    doubted = replace(ranking, evidence={"likeness": column, "margin": np.ones(4)})
    assert phrase(doubted, pool, CLASSES, 2).startswith("similar to your examples: 0.87; ")


def test_numbers_stand_in_for_missing_names() -> None:
    pool = make_pool(2, members=1, classes=3)
    pool.probs[0, 0] = [0.0, 0.5, 0.5]
    ranking = strategies.rank("entropy", pool, 2, np.random.default_rng(0))
    assert phrase(ranking, pool, [], 0).startswith("uncertain between class 1 and class 2: 0.50 / 0.50")


def test_an_order_without_a_model_says_what_each_pick_covers() -> None:
    rng = np.random.default_rng(0)
    pool = make_pool(12, members=1, classes=3, dimension=8, labelled=0, seed=1)
    crowd = rng.normal([3, 0, 0, 0, 0, 0, 0, 0], 0.01, (9, 8))
    pool.embeddings[:] = unit(np.concatenate([crowd, np.eye(8)[1:4]]).astype(np.float32))
    nothing = np.zeros((0, pool.probs.shape[1], 0), dtype=np.float32)
    pool = replace(pool, probs=nothing, box_overlaps=None, mask_overlaps=None, groups=np.arange(12, dtype=np.int64))
    ranking = strategies.rank("max_herding", pool, 4, rng)
    said = [phrase(ranking, pool, CLASSES, int(place)) for place in ranking.order]
    assert [text for text in said if text.startswith("stands for")] == said[:1]
    assert set(said[1:]) == {"represents more of the pool than any remaining image"}
