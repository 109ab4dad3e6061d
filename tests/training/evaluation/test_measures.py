from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import balanced_accuracy_score, f1_score

from training.evaluation.calibration import (
    apply_temperature,
    calibrate,
    cross_fitted,
    expected_calibration_error,
    fit_temperature,
)
from training.evaluation.classification import balanced_log_loss, evaluate
from training.types import TrainingError


def sample(n: int, classes: int, sharpness: float, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Calibrated probabilities and labels drawn from them."""
    probs = rng.dirichlet(np.full(classes, sharpness), n)
    truth = (probs.cumsum(axis=1) > rng.random((n, 1))).argmax(axis=1)
    return probs, truth


def test_measures_are_scikit_learns() -> None:
    probs, truth = sample(200, 4, 0.5, np.random.default_rng(0))
    measured = evaluate(truth, probs, ["a", "b", "c", "d"])
    assert measured["macro_f1"] == pytest.approx(f1_score(truth, probs.argmax(axis=1), average="macro"))
    assert measured["balanced_accuracy"] == pytest.approx(balanced_accuracy_score(truth, probs.argmax(axis=1)))
    assert np.array(measured["confusion"]).sum() == 200
    assert measured["per_class"]["a"]["support"] == (truth == 0).sum()


def test_classes_without_items_do_not_dilute_the_mean() -> None:
    measured = evaluate(np.array([0, 0, 1]), np.eye(4)[[0, 0, 1]], ["a", "b", "c", "d"])
    assert measured["macro_f1"] == 1.0
    assert measured["per_class"]["c"] == {"precision": None, "recall": None, "f1": None, "support": 0}
    json.dumps(measured, allow_nan=False)


def test_nothing_to_measure_is_an_error() -> None:
    with pytest.raises(TrainingError, match="no labeled item"):
        evaluate(np.zeros(0, dtype=np.int64), np.zeros((0, 2)), ["a", "b"])


@pytest.mark.parametrize("wrong", [0.4, 2.5])
def test_a_known_temperature_is_found(wrong: float) -> None:
    probs, truth = sample(3000, 3, 0.7, np.random.default_rng(1))
    distorted = apply_temperature(probs, wrong)
    assert fit_temperature(distorted, truth) == pytest.approx(1 / wrong, rel=0.12)
    result = calibrate(distorted, truth, seed=0)
    assert result.ece_before is not None
    assert result.ece_after is not None
    assert result.ece_after < result.ece_before / 2


def test_few_items_leave_probabilities_alone_and_say_so() -> None:
    probs, truth = sample(12, 3, 0.7, np.random.default_rng(2))
    result = calibrate(probs, truth, seed=0)
    assert result.temperature == 1.0
    assert "12 held-out labels are too few" in result.note
    nothing = calibrate(probs[:0], truth[:0], seed=0)
    assert (nothing.temperature, nothing.ece_before) == (1.0, None)


def test_lucky_items_do_not_make_a_model_certain() -> None:
    probs = np.tile([0.6, 0.4], (25, 1))
    assert 0.15 < fit_temperature(probs, np.zeros(25, dtype=np.int64)) < 1


def test_impossible_classes_are_left_out_of_the_fit_and_stay_impossible() -> None:
    probs, truth = sample(60, 2, 0.7, np.random.default_rng(3))
    probs = np.concatenate([probs, np.zeros((60, 1))], axis=1)
    truth[:10] = 2
    result = calibrate(probs, truth, seed=0)
    assert result.items == 50
    assert (apply_temperature(probs, 3.0)[:, 2] == 0).all()


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 40), st.floats(0.1, 10), st.integers(0, 1000))
def test_temperature_keeps_order_and_sums(n: int, temperature: float, seed: int) -> None:
    probs, _ = sample(n, 4, 0.8, np.random.default_rng(seed))
    warm = apply_temperature(probs, temperature)
    assert np.allclose(warm.sum(axis=1), 1, atol=1e-5)
    assert warm.dtype == np.float32
    top = warm[np.arange(n), probs.argmax(axis=1)]
    assert np.allclose(top, warm.max(axis=1), atol=1e-6)


def test_calibration_error_closed_form() -> None:
    probs = np.array([[0.95, 0.05]] * 10)
    truth = np.array([0] * 8 + [1] * 2)
    assert expected_calibration_error(probs, truth) == pytest.approx(0.15)
    with pytest.raises(TrainingError, match="held-out"):
        expected_calibration_error(probs[:0], truth[:0])


@pytest.mark.slow
def test_equal_models_gain_nothing_when_they_are_judged() -> None:
    """Equally good, equally overconfident, n = 30: the temperature of the new one must not have seen its judges."""
    gains, flattered = [], []
    for draw in range(300):
        rng = np.random.default_rng(draw)
        truth = rng.integers(0, 3, 30)
        groups = np.arange(30) // 2
        evidence = 1.4 * np.eye(3)[truth] + rng.normal(size=(30, 3))
        new, old = (softmax(2 * (evidence + 0.5 * rng.normal(size=(30, 3)))) for _ in range(2))
        judged = [cross_fitted(probs, truth, seed=draw, groups=groups) for probs in (new, old)]
        gains.append(balanced_log_loss(truth, judged[1]) - balanced_log_loss(truth, judged[0]))
        fitted = apply_temperature(new, calibrate(new, truth, seed=draw, groups=groups).temperature)
        flattered.append(balanced_log_loss(truth, judged[1]) - balanced_log_loss(truth, fitted))
    error = np.std(gains) / np.sqrt(len(gains))
    assert abs(np.mean(gains)) < error
    assert np.mean(flattered) > 3 * error


def test_no_item_has_a_part_in_its_own_temperature() -> None:
    probs, truth = sample(40, 3, 0.5, np.random.default_rng(4))
    groups = np.arange(40) // 4
    judged = cross_fitted(probs, truth, seed=1, groups=groups)
    np.testing.assert_array_equal(judged, cross_fitted(probs, truth, seed=1, groups=groups))
    other = truth.copy()
    other[:4] = (truth[:4] + 1) % 3
    np.testing.assert_array_equal(judged[:4], cross_fitted(probs, other, seed=1, groups=groups)[:4])
    np.testing.assert_array_equal(cross_fitted(probs, truth, seed=1, groups=np.zeros(40)), probs.astype(np.float32))
    np.testing.assert_array_equal(cross_fitted(probs[:19], truth[:19], seed=1), probs[:19].astype(np.float32))


def softmax(logits: np.ndarray) -> np.ndarray:
    warm = np.exp(logits - logits.max(axis=1, keepdims=True))
    return np.asarray(warm / warm.sum(axis=1, keepdims=True))
