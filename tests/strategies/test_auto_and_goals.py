"""`auto` switches by what was measured; goals of a lead bend another strategy's order."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

import strategies
from strategies.base import Pool, Ranking, StrategyError
from strategies.goals.class_balance import balanced
from strategies.goals.relabel import doubtful
from strategies.hybrid._competence import estimated, reported
from strategies.why import phrase
from tests.strategies.contracts.pools import make_pool, unit


def rng() -> np.random.Generator:
    return np.random.default_rng(0)


def judged(score: float, items: int = 100) -> dict[str, object]:
    return {"items": items, "candidate": {"balanced_accuracy": score, "macro_f1": score}}


def auto(pool: Pool, **params: object) -> Ranking:
    return strategies.rank("auto", pool, 6, rng(), **params)


def test_without_a_model_auto_covers() -> None:
    pool = make_pool(40, members=0, classes=3)
    ranking = auto(pool)
    assert ranking.order.tolist() == strategies.rank("max_herding", pool, 6, rng()).order.tolist()
    assert ranking.note.startswith("No model yet")
    assert ranking.facts["phase"] == "max_herding"


@pytest.mark.parametrize(("score", "phase"), [(0.36, "max_herding"), (0.8, "uncertainty_herding")])
def test_auto_switches_by_the_judges_measurements(score: float, phase: str) -> None:
    pool = make_pool(40, members=1, classes=3, labelled=9)
    ranking = auto(pool, competence=judged(score))
    assert ranking.order.tolist() == strategies.rank(phase, pool, 6, rng()).order.tolist()
    assert ranking.facts["phase"] == phase
    assert ranking.facts["items"] == 100
    assert f"{score:.2f} on 100 held-out items, guessing 0.33" in ranking.note


def test_few_items_are_believed_less() -> None:
    pool = make_pool(40, members=1, classes=3, labelled=9)
    assert auto(pool, competence=judged(0.5, 4)).facts["phase"] == "max_herding"
    assert auto(pool, competence=judged(0.5, 400)).facts["phase"] == "uncertainty_herding"


def test_before_the_first_judgement_labels_are_left_out_one_by_one() -> None:
    labels = np.arange(30) % 3
    vectors = unit(np.eye(4)[labels] + 0.1 * rng().standard_normal((30, 4)))
    known = np.arange(30) < 15
    pool = dataclasses.replace(
        make_pool(30, members=1, classes=3, dimension=4),
        embeddings=vectors,
        labelled=known,
        labels=np.where(known, labels, -1),
    )
    ranking = auto(pool)
    assert ranking.facts["balanced_accuracy"] == 1.0
    assert "leave-one-out on 15 labels" in ranking.note
    assert ranking.facts["phase"] == "uncertainty_herding"


def test_leave_one_out_equals_a_loop() -> None:
    pool = make_pool(40, labelled=25, classes=3, seed=3)
    known = np.flatnonzero(pool.labelled)
    vectors, labels = pool.embeddings.astype(np.float64), pool.labels
    hits = []
    for item in known:
        others = known[known != item]
        means = [vectors[others[labels[others] == c]].sum(axis=0) for c in range(3)]
        scores = [vectors[item] @ mean / np.linalg.norm(mean) for mean in means]
        hits.append(int(np.argmax(scores)) == labels[item])
    recall = [np.mean(np.array(hits)[labels[known] == c]) for c in range(3)]
    found = estimated(pool, 3)
    assert found is not None
    assert found.score == pytest.approx(np.mean(recall))


def test_too_few_labels_or_no_measurements_are_no_competence() -> None:
    assert estimated(make_pool(10, labelled=1), 3) is None
    assert reported({}, 3) is None
    assert reported({"items": 0, "candidate": {"balanced_accuracy": 0.9}}, 3) is None
    with pytest.raises(StrategyError, match="judge the model again"):
        reported({"items": 5, "balanced_accuracy": 7}, 3)
    with pytest.raises(StrategyError, match="mapping"):
        auto(make_pool(5), competence=3)


def test_similar_puts_the_nearest_first() -> None:
    pool = make_pool(30, dimension=3, seed=2)
    example = int(pool.ids[4])
    ranking = strategies.rank("similar", pool, 30, rng(), like=[example])
    alike = pool.embeddings @ pool.embeddings[4]
    assert ranking.order.tolist() == np.argsort(-alike, kind="stable").tolist()
    assert phrase(ranking, pool, [], int(ranking.order[0])).startswith("similar to your examples: 1.00")
    among = strategies.rank("similar", pool, 4, rng(), like=[example], base="entropy", factor=2.0)
    assert set(among.order) <= set(np.argsort(-alike)[:8])


def test_an_unknown_example_is_named() -> None:
    with pytest.raises(StrategyError, match="no item 999999 in the pool"):
        strategies.rank("similar", make_pool(4), 1, rng(), like=[999999])


def test_exclude_puts_the_like_last() -> None:
    pool = make_pool(30, dimension=2, seed=2)
    alike = pool.embeddings @ pool.embeddings[7]
    order = strategies.rank("exclude", pool, 30, rng(), unlike=[int(pool.ids[7])], base="uniform").order
    excluded = set(np.flatnonzero(alike >= 0.8).tolist())
    assert set(order[len(order) - len(excluded) :].tolist()) == excluded
    assert order[-1] == 7


def test_class_balance_fills_the_rare_class() -> None:
    probs = np.array([[0.9, 0.1]] * 8 + [[0.2, 0.8]] * 2)
    picks, classes = balanced(probs, np.array([10.0, 1.0]), np.array([0.5, 0.5]), 3)
    assert picks.tolist() == [8, 9, 0]
    assert classes.tolist() == [1, 1, 1]


def test_shares_must_fit_the_classes() -> None:
    with pytest.raises(StrategyError, match="Give 3 non-negative shares"):
        strategies.rank("class_balance", make_pool(5), 1, rng(), shares=[1, 2])


def test_relabel_finds_the_wrong_label() -> None:
    pool = make_pool(12, members=1, classes=3)
    labels = np.arange(12) % 3
    pool.probs[0] = np.eye(3)[labels] * 0.9 + 1 / 30
    known = np.arange(12) < 9
    given = np.where(known, labels, -1)
    given[4] = 2
    pool = dataclasses.replace(pool, labelled=known, labels=given)
    assert doubtful(pool)[0].tolist() == [4]
    ranking = strategies.rank("relabel", pool, 3, rng())
    assert ranking.order[0] == 4
    assert not pool.labelled[ranking.order[1:]].any()
    assert "labeled HSIL, to which the model gives 0.03" in phrase(ranking, pool, ["NILM", "LSIL", "HSIL"], 4)


def test_goals_nest() -> None:
    pool = make_pool(30, dimension=2, labelled=4, seed=2)
    inner = {"unlike": [int(pool.ids[7])], "base": "margin"}
    order = strategies.rank("class_balance", pool, 5, rng(), base="exclude", base_params=inner).order
    assert len(order) == 5
