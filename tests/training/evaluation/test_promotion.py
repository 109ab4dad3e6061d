from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import f1_score

from training.evaluation.bootstrap import macro_f1, paired_interval
from training.evaluation.promotion import judge
from training.types import TrainingError

CLASSES = ["a", "b", "c"]


def probabilities(predicted: np.ndarray, classes: int = 3, sure: float = 0.8) -> np.ndarray:
    probs = np.full((len(predicted), classes), (1 - sure) / (classes - 1), dtype=np.float32)
    probs[np.arange(len(predicted)), predicted] = sure
    return probs


def noisy(truth: np.ndarray, accuracy: float, rng: np.random.Generator, classes: int = 3) -> np.ndarray:
    wrong = (truth + rng.integers(1, classes, len(truth))) % classes
    return np.where(rng.random(len(truth)) < accuracy, truth, wrong)


@st.composite
def cases(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    n = draw(st.integers(1, 60))
    label = st.lists(st.integers(0, 2), min_size=n, max_size=n)
    truth, candidate, incumbent = (np.array(draw(label), dtype=np.int64) for _ in range(3))
    return truth, candidate, incumbent


@pytest.mark.slow
@settings(max_examples=60, deadline=None)
@given(cases(), st.integers(0, 2**31 - 1))
def test_a_worse_candidate_is_never_promoted(case: tuple[np.ndarray, np.ndarray, np.ndarray], seed: int) -> None:
    """Design property 7: worse beyond chance, probably worse, or worse by both macro-F1 and log loss."""
    truth, candidate, incumbent = case
    verdict = judge(truth, probabilities(candidate), probabilities(incumbent), CLASSES, seed=seed, samples=50)
    evidence = verdict.evidence
    present = np.unique(truth)
    new, old = (f1_score(truth, p, labels=present, average="macro", zero_division=0.0) for p in (candidate, incumbent))
    assert evidence["delta_macro_f1"] == pytest.approx(new - old)
    worse_fit = evidence["candidate"]["balanced_log_loss"] >= evidence["incumbent"]["balanced_log_loss"]
    if evidence["interval"][1] < 0 or evidence["probability_better"] < 0.2 or (new < old and worse_fit):
        assert verdict.decision == "kept"
    assert verdict.reason.endswith(".")
    json.dumps(evidence, allow_nan=False)


@pytest.mark.slow
@settings(max_examples=60, deadline=None)
@given(cases(), st.data())
def test_spoiling_answers_never_helps(case: tuple[np.ndarray, np.ndarray, np.ndarray], data: st.DataObject) -> None:
    """A candidate that is the incumbent with right answers made wrong is worse by any measure."""
    truth, _, incumbent = case
    right = np.flatnonzero(incumbent == truth)
    spoiled = data.draw(st.sets(st.sampled_from(right.tolist()), min_size=1)) if len(right) else set()
    candidate = incumbent.copy()
    for item in spoiled:
        candidate[item] = (truth[item] + 1) % 3
    verdict = judge(truth, probabilities(candidate), probabilities(incumbent), CLASSES, seed=0, samples=50)
    assert verdict.decision == "kept"


@settings(max_examples=30, deadline=None)
@given(cases())
def test_no_model_replaces_itself(case: tuple[np.ndarray, np.ndarray, np.ndarray]) -> None:
    truth, candidate, _ = case
    same = probabilities(candidate)
    assert judge(truth, same, same, CLASSES, seed=0, samples=50).decision == "kept"


@pytest.mark.parametrize("bad", [np.nan, np.inf, -0.2])
@pytest.mark.parametrize("who", ["candidate", "incumbent"])
def test_a_missing_number_is_an_error(bad: float, who: str) -> None:
    truth = np.array([0, 1, 2, 0])
    good, broken = probabilities(truth), probabilities(truth)
    broken[2, 1] = bad
    pair = (broken, good) if who == "candidate" else (good, broken)
    with pytest.raises(TrainingError, match=rf"{who}.*item 2"):
        judge(truth, *pair, CLASSES, seed=0)


def test_wrong_shapes_are_errors() -> None:
    truth = np.array([0, 1, 2, 0])
    with pytest.raises(TrainingError, match="shape"):
        judge(truth, probabilities(truth)[:3], None, CLASSES, seed=0)
    with pytest.raises(TrainingError, match="shape"):
        judge(truth, probabilities(truth), probabilities(truth)[:, :2], CLASSES, seed=0)
    with pytest.raises(TrainingError, match="outside"):
        judge(np.array([0, 1, 3, 0]), probabilities(truth), None, CLASSES, seed=0)
    with pytest.raises(TrainingError, match="not a probability"):
        judge(truth, probabilities(truth) * 2, None, CLASSES, seed=0)


def test_the_first_model_serves_with_or_without_held_out_items() -> None:
    nothing = np.zeros((0, 3), dtype=np.float32)
    empty = np.zeros(0, dtype=np.int64)
    assert judge(empty, nothing, None, CLASSES, seed=0).decision == "promoted"
    assert judge(empty, nothing, nothing, CLASSES, seed=0).decision == "kept"
    truth = np.array([0, 1])
    assert judge(truth, probabilities(np.array([1, 0])), None, CLASSES, seed=0).decision == "promoted"


def test_a_clear_lead_is_told_from_a_likely_one() -> None:
    rng = np.random.default_rng(0)
    truth = rng.integers(0, 3, 200)
    verdict = judge(
        truth, probabilities(noisy(truth, 0.9, rng)), probabilities(noisy(truth, 0.5, rng)), CLASSES, seed=0
    )
    assert verdict.decision == "promoted"
    assert "beyond chance" in verdict.reason
    assert verdict.evidence["interval"][0] > 0
    few = np.array([0, 1, 2, 0, 1, 2])
    verdict = judge(few, probabilities(few), probabilities(np.array([0, 1, 2, 0, 1, 1])), CLASSES, seed=0)
    assert verdict.decision == "promoted"
    assert "too little evidence" in verdict.reason


def test_few_items_go_by_the_better_fit_unless_decisions_say_otherwise() -> None:
    truth = np.array([0, 1, 2, 0, 1, 2, 0, 1])
    incumbent = probabilities(truth, sure=0.45)
    one_flip = truth.copy()
    one_flip[0] = 1
    verdict = judge(truth, probabilities(one_flip, sure=0.9), incumbent, CLASSES, seed=0)
    assert verdict.evidence["delta_macro_f1"] < 0
    assert verdict.decision == "kept"
    shaky = probabilities(one_flip, sure=0.9)
    older = truth.copy()
    older[4] = 0
    verdict = judge(truth, shaky, probabilities(older, sure=0.45), CLASSES, seed=0)
    assert verdict.decision == "promoted"
    assert "log loss" in verdict.reason


def test_giving_up_a_class_is_refused_even_for_a_better_mean() -> None:
    truth = np.repeat([0, 1, 2], [8, 30, 30])
    incumbent = truth.copy()
    incumbent[8:28] = 2
    incumbent[38:58] = 1
    candidate = truth.copy()
    candidate[:6] = 1
    verdict = judge(truth, probabilities(candidate), probabilities(incumbent), CLASSES, seed=0)
    assert verdict.evidence["delta_macro_f1"] > 0
    assert verdict.decision == "kept"
    assert "recall of a (1.00 to 0.25)" in verdict.reason


def test_equal_decisions_are_settled_by_log_loss() -> None:
    truth = np.array([0, 1, 2, 1])
    verdict = judge(truth, probabilities(truth, sure=0.9), probabilities(truth, sure=0.6), CLASSES, seed=0)
    assert verdict.decision == "promoted"
    assert (
        judge(truth, probabilities(truth, sure=0.6), probabilities(truth, sure=0.9), CLASSES, seed=0).decision == "kept"
    )


def test_weighted_macro_f1_is_scikit_learns() -> None:
    rng = np.random.default_rng(1)
    truth = rng.integers(0, 4, 50)
    predicted = noisy(truth, 0.6, rng, 4)
    weights = rng.integers(0, 3, (5, 50)).astype(float)
    for row, score in zip(weights, macro_f1(truth, predicted, 4, weights), strict=True):
        labels = np.unique(truth[row > 0])
        assert score == pytest.approx(f1_score(truth, predicted, sample_weight=row, labels=labels, average="macro"))


def test_images_of_one_slide_do_not_count_as_independent() -> None:
    rng = np.random.default_rng(2)
    slides = np.repeat(np.arange(6), 20)
    truth = rng.integers(0, 3, 120)
    incumbent = noisy(truth, 0.6, rng)
    candidate = np.where(slides < 3, truth, incumbent)
    wide = paired_interval(truth, candidate, incumbent, 3, groups=slides, seed=0)
    narrow = paired_interval(truth, candidate, incumbent, 3, seed=0)
    assert wide.high - wide.low > narrow.high - narrow.low
    assert narrow.low > 0


def test_the_interval_covers_the_true_difference() -> None:
    rng = np.random.default_rng(3)
    covered = 0
    for trial in range(60):
        truth = rng.integers(0, 3, 150)
        pair = noisy(truth, 0.7, rng), noisy(truth, 0.7, rng)
        interval = paired_interval(truth, *pair, 3, seed=trial, samples=300)
        covered += interval.low <= 0 <= interval.high
    assert covered >= 45
