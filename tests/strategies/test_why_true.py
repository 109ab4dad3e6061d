"""For every strategy and every fallback: a reason speaks of nothing that the order does not rest on."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest

import strategies
from strategies.base import Pool, Ranking
from strategies.why import phrase
from strategies.why_objects import DOUBTS
from tests.strategies.contracts.pools import make_pool

CLASSES = ["NILM", "LSIL", "HSIL"]


def images(**options: Any) -> Pool:
    return dataclasses.replace(make_pool(24, **{"labelled": 6, **options}), background=False)


def said(ranking: Ranking, pool: Pool) -> str:
    return " | ".join(phrase(ranking, pool, CLASSES, int(position)) for position in ranking.order)


def ranked(name: str, pool: Pool, **parameters: Any) -> Ranking:
    return strategies.rank(name, pool, 12, np.random.default_rng(0), **parameters)


def whole_images() -> list[str]:
    return [name for name in strategies.names() if "background" not in strategies.describe(name).needs]


def detectors() -> list[str]:
    return [name for name in strategies.names() if "background" in strategies.describe(name).needs]


@pytest.mark.parametrize("name", whole_images())
def test_a_model_is_spoken_of_only_where_the_order_rests_on_it(name: str) -> None:
    pool = images()
    ranking = ranked(name, pool)
    speaks = bool({"probs", "members"} & strategies.describe(name).needs or ranking.facts.get("uses_model"))
    assert any(label in said(ranking, pool) for label in CLASSES) is speaks
    other = dataclasses.replace(pool, probs=pool.probs[:, ::-1].copy())
    same = np.array_equal(ranked(name, other).order, ranking.order)
    assert same is not speaks, "the needs of a strategy say what its order rests on"


@pytest.mark.parametrize("name", detectors())
def test_doubts_about_objects_are_named_only_where_they_count(name: str) -> None:
    pool = make_pool(24, regions=3, classes=4, labelled=4)
    ranking = ranked(name, pool)
    text = said(ranking, pool)
    assert "object" in text
    assert ("uncertain" in text or "or nothing" in text) is bool(DOUBTS & set(ranking.evidence))


def test_class_quota_names_the_class_that_it_weighs() -> None:
    pool = make_pool(3, regions=2, classes=3)
    pool.probs[:] = [0.9, 0.0, 0.1]
    pool.probs[:, 2:4] = [0.0, 0.8, 0.2]
    ranking = strategies.rank("class_quota", pool, 3, np.random.default_rng(0), have=[50.0, 0.0])
    assert int(ranking.order[0]) == 1
    assert phrase(ranking, pool, ["common", "rare"], 1) == (
        "2 objects; about 1.6 rare expected, and rare classes count more"
    )


def test_core_set_says_what_it_did() -> None:
    pool = images()
    ranking = ranked("core_set", pool)
    first, *others = (phrase(ranking, pool, CLASSES, int(place)) for place in ranking.order)
    assert first == "farthest from everything labeled"
    assert set(others) == {"farthest from everything labeled and the images before it"}
    fresh = images(labelled=0)
    ranking = ranked("core_set", fresh)
    first, *others = (phrase(ranking, fresh, CLASSES, int(place)) for place in ranking.order)
    assert (first, set(others)) == ("the most central image", {"farthest from the images before it"})


@pytest.mark.parametrize("base", ["auto", "core_set", "margin"])
@pytest.mark.parametrize(("goal", "why"), [("similar", "No example is chosen"), ("exclude", "Nothing is excluded")])
def test_a_goal_without_anything_to_go_by_gives_its_name_away(goal: str, why: str, base: str) -> None:
    pool = images()
    ranking = ranked(goal, pool, base=base)
    assert ranking.by == base
    assert ranking.note.startswith(f"{why}, so {base} orders the pool.")
    np.testing.assert_array_equal(ranking.order, ranked(base, pool).order)
    assert said(ranking, pool) == said(ranked(base, pool), pool)
    assert ranked(goal, pool, **{"similar": {"like": pool.ids[:2]}, "exclude": {"unlike": pool.ids[:2]}}[goal]).by == ""


def test_goals_within_goals_name_the_one_at_work() -> None:
    ranking = ranked("exclude", images(), base="similar")
    assert ranking.by == "auto"
    assert ranking.note.startswith("Nothing is excluded, so auto orders the pool. No example is chosen")


def test_no_doubted_label_leaves_the_order_to_the_base() -> None:
    pool = images()
    sure = np.eye(3, dtype=np.float32)[np.maximum(pool.labels, 0)]
    pool = dataclasses.replace(pool, probs=np.stack([sure, sure]))
    ranking = ranked("relabel", pool)
    assert (ranking.by, ranking.note) == ("margin", "No label looks wrong, so margin orders the pool.")


@pytest.mark.parametrize(("items", "claims"), [(29, False), (30, True), (400, True)])
def test_under_thirty_held_out_items_nothing_is_claimed_of_a_model(items: int, claims: bool) -> None:
    ranking = ranked("auto", images(), competence={"items": items, "candidate": {"balanced_accuracy": 0.99}})
    assert ranking.facts["phase"] == "uncertainty_herding"
    assert f"on {items} held-out items" in ranking.note
    assert ("good enough" in ranking.note) is claims
    assert ("the evidence is thin" in ranking.note) is not claims
