"""Replay on generated vectors, and its answers on curves whose truth is known."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
from sklearn.isotonic import isotonic_regression

from ml_backend.errors import BadRequest
from ml_backend.experiments.replay.engine import Replayed, checked, replay
from ml_backend.experiments.replay.head import Projection, probabilities
from ml_backend.experiments.replay.plot import plot
from ml_backend.experiments.replay.report import Gap, Saved, area_gap, labels_needed, report, saved, steadied
from ml_backend.experiments.replay.source import LabelledSet, group_numbers, hold_out
from strategies.base import StrategyError
from tests.strategies.contracts.pools import unit


def clusters(n: int = 240, classes: int = 4, seed: int = 0) -> LabelledSet:
    rng = np.random.default_rng(seed)
    labels = rng.choice(classes, n, p=np.arange(classes, 0, -1) / np.arange(classes, 0, -1).sum())
    centres = rng.standard_normal((classes, 16))
    vectors = unit(centres[labels] + 1.6 * rng.standard_normal((n, 16)))
    groups = np.arange(n) // 3
    names = tuple(str(group) for group in groups)
    return LabelledSet(vectors, labels.astype(np.int64), groups.astype(np.int64), tuple("abcdefgh"[:classes]), names)


def test_numbers_that_are_near_are_one_group() -> None:
    names = ["100", "1000", "240", "390", "1100"]
    assert group_numbers(names, 150).tolist() == [0, 1, 0, 0, 1]
    assert len(set(group_numbers(names).tolist())) == 5
    assert group_numbers(["a", "b", "a"], 150).tolist() == [0, 1, 0]


def test_whole_groups_are_held_out() -> None:
    images = clusters()
    test = hold_out(images, 0.3, seed=4)
    assert not set(images.groups[test]) & set(images.groups[~test])
    assert 0.2 < test.mean() < 0.4
    assert np.array_equal(test, hold_out(images, 0.3, seed=4))


def test_one_group_cannot_be_split() -> None:
    images = clusters()
    with pytest.raises(BadRequest, match="one group"):
        hold_out(LabelledSet(images.vectors, images.labels, images.groups * 0, images.classes, images.names), 0.3, 0)


@pytest.mark.slow
def test_curves_rise_and_the_answer_has_its_form() -> None:
    done = replay(clusters(), None, ["entropy", "auto"], 2, [10, 30, 60, 9999])
    answer = report(done).as_dict()
    assert list(answer) == ["full", "strategies", "verdict"]
    assert set(answer["full"]) == {"labels", "macro_f1", "accuracy"}
    assert list(answer["strategies"]) == ["uniform", "entropy", "auto"]
    for found in answer["strategies"].values():
        assert found["labels"] == [10, 30, 60]
        assert found["macro_f1"][-1] > found["macro_f1"][0]
        assert found["area"] == pytest.approx(np.mean(found["macro_f1"]), abs=1e-3)
        assert set(found["saved_vs_uniform"]) == {"at", "percent", "low", "high"}
    assert "auto" in answer["verdict"]
    assert done.macro_f1["entropy"][:, 0].tolist() == done.macro_f1["uniform"][:, 0].tolist()


@pytest.mark.slow
def test_same_seeds_same_answer() -> None:
    first = replay(clusters(), None, ["badge"], 1, [10, 20])
    assert (
        first.macro_f1["badge"].tolist() == replay(clusters(), None, ["badge"], 1, [10, 20]).macro_f1["badge"].tolist()
    )


def test_few_labels_of_many_classes_warn_nobody() -> None:
    images = clusters(classes=8)
    features = Projection.of(images.vectors)(images.vectors)
    first = [int(np.flatnonzero(images.labels == index)[0]) for index in range(8)]
    found = probabilities(features[first], images.labels[first], features, 9)
    assert np.allclose(found.sum(axis=1), 1, atol=1e-5)
    assert not found[:, 8].any()


def test_groups_of_the_test_part_leave_the_pool() -> None:
    images = clusters()
    held = hold_out(images, 0.3, 1)
    done = replay(images, images.part(held), ["uniform"], 1, [10])
    assert done.full["labels"] == int((~held).sum())


@pytest.mark.parametrize(
    ("names", "seeds", "budgets", "message"),
    [(["auto"], 0, [10], "one seed"), (["auto"], 1, [5000], "No budget fits")],
)
def test_what_cannot_be_replayed_is_said(names: list[str], seeds: int, budgets: list[int], message: str) -> None:
    with pytest.raises(BadRequest, match=message):
        replay(clusters(), None, names, seeds, budgets)


def test_an_unknown_strategy_is_refused_before_anything_runs() -> None:
    with pytest.raises(StrategyError, match="no strategy named"):
        replay(clusters(), None, ["magic"], 1, [10])
    with pytest.raises(BadRequest, match="bald needs members"):
        checked(["bald"], 1)


def test_the_test_part_must_show_what_can_be_learned() -> None:
    images = clusters()
    held = hold_out(images, 0.3, 1)
    pool, test = images.part(~held), images.part(held)
    with pytest.raises(BadRequest, match="have the class a, which"):
        replay(pool.part(pool.labels != 0), test, ["uniform"], 1, [10])
    with pytest.raises(BadRequest, match="at least two classes"):
        replay(pool, test.part(test.labels == 0), ["uniform"], 1, [10])
    with pytest.raises(BadRequest, match="every group of it"):
        replay(pool, images, ["uniform"], 1, [10])


def test_labels_needed_lie_on_the_line_between_budgets() -> None:
    curve = np.array([0.2, 0.4, 0.5])
    assert labels_needed([10, 20, 40], curve, 0.45) == pytest.approx(30)
    assert labels_needed([10, 20, 40], curve, 0.1) == 10
    assert labels_needed([10, 20, 40], curve, 0.6) is None


def test_a_lucky_budget_does_not_count_as_reached() -> None:
    assert labels_needed([10, 20, 30, 40], np.array([0.2, 0.5, 0.3, 0.5]), 0.45) == pytest.approx(35)


def test_curves_are_steadied_as_isotonic_regression_does() -> None:
    curves = np.random.default_rng(0).standard_normal((50, 9)).cumsum(axis=1)
    assert np.allclose(steadied(curves), [isotonic_regression(curve) for curve in curves])


def known_curves() -> Replayed:
    rng = np.random.default_rng(0)
    slow = np.array([0.2, 0.3, 0.4, 0.5]) + 0.002 * rng.standard_normal((5, 4))
    fast = np.array([0.3, 0.5, 0.5, 0.5]) + 0.002 * rng.standard_normal((5, 4))
    bad = slow - 0.1
    full = {"labels": 100, "macro_f1": 0.5, "accuracy": 0.5}
    return Replayed((10, 20, 30, 40), {"uniform": slow, "margin": fast, "core_set": bad}, full, np.full(5, 0.5))


def test_savings_and_verdict_say_what_the_curves_show() -> None:
    answer = report(known_curves()).as_dict()
    found = answer["strategies"]["margin"]["saved_vs_uniform"]
    # Random needs 37.5 labels for 0.475, margin 18.75.
    assert found["percent"] == pytest.approx(50, abs=3)
    assert found["low"] <= found["percent"] <= found["high"]
    assert answer["verdict"].startswith("margin saved ")
    assert "core_set was worse than random (area -0.100, 95 % interval" in answer["verdict"]
    assert answer["verdict"].endswith("(5 seeds). margin has the largest area, clearly ahead of the others.")


def test_five_seeds_are_believed_less_than_fifty() -> None:
    few = known_curves()
    many = dataclasses.replace(
        few,
        macro_f1={name: np.repeat(scores, 10, axis=0) for name, scores in few.macro_f1.items()},
        full_by_seed=np.full(50, 0.5),
    )
    assert _width(saved(few, "margin")) > 3 * _width(saved(many, "margin"))
    assert _width(area_gap(few, "margin")) > 3 * _width(area_gap(many, "margin"))


def _width(interval: Gap | Saved) -> float:
    assert interval.high is not None
    assert interval.low is not None
    return interval.high - interval.low


def test_one_seed_has_no_interval() -> None:
    every = known_curves()
    one = dataclasses.replace(
        every, macro_f1={name: scores[:1] for name, scores in every.macro_f1.items()}, full_by_seed=np.array([0.5])
    )
    answer = report(one).as_dict()
    assert answer["strategies"]["margin"]["saved_vs_uniform"]["low"] is None
    assert "margin scored more than random with the only seed" in answer["verdict"]
    assert "One or two seeds say little" in answer["verdict"]


def test_what_the_numbers_cannot_say_is_said() -> None:
    every = known_curves()
    low = dataclasses.replace(every, full={**every.full, "macro_f1": 0.9}, full_by_seed=np.full(5, 0.9))
    assert "Use larger --budgets" in report(low).verdict
    easy = dataclasses.replace(every, full={**every.full, "macro_f1": 0.2}, full_by_seed=np.full(5, 0.2))
    assert "nothing can be saved" in report(easy).verdict


def test_the_picture_is_written(tmp_path: Path) -> None:
    plot(known_curves(), tmp_path / "out.png")
    assert (tmp_path / "out.png").read_bytes()[:4] == b"\x89PNG"
    with pytest.raises(BadRequest, match="cannot be written"):
        plot(known_curves(), tmp_path / "none" / "out.png")
