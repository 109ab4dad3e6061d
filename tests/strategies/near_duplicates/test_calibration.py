import numpy as np
import pytest

from strategies.base import StrategyError
from strategies.near_duplicates.calibration import boundary_pairs, calibrate


def world(seed: int, count: int = 600) -> tuple[np.ndarray, np.ndarray]:
    """Scores and the truth behind them: half duplicates, an overlap around 0.6."""
    rng = np.random.default_rng(seed)
    truth = rng.random(count) < 0.5
    return np.where(truth, rng.normal(0.8, 0.1, count), rng.normal(0.4, 0.1, count)), truth


@pytest.mark.parametrize("wanted", [0.9, 0.98])
def test_intervals_hold_the_truth_and_the_middle_is_right_on_average(wanted: float) -> None:
    held, off = [], []
    for seed in range(30):
        scores, truth = world(seed)
        asked = boundary_pairs(scores, 0.7, 40, np.random.default_rng(seed))
        found = calibrate(scores, asked, truth[asked], np.random.default_rng(seed), wanted)
        taken = scores >= found.threshold
        precision, recall = truth[taken].mean(), truth[taken].sum() / truth.sum()
        assert found.precision_interval[0] <= found.precision <= found.precision_interval[1]
        assert found.recall_interval[0] <= found.recall <= found.recall_interval[1]
        assert found.precision_interval[1] - found.precision_interval[0] < 0.5
        held.append(found.precision_interval[0] <= precision <= found.precision_interval[1])
        held.append(found.recall_interval[0] <= recall <= found.recall_interval[1])
        off.append(precision - wanted)
    assert np.mean(held) >= 0.88
    assert abs(np.mean(off)) < 0.05


def test_more_precision_asks_for_a_higher_threshold() -> None:
    scores, truth = world(1)
    asked = boundary_pairs(scores, 0.6, 40, np.random.default_rng(0))
    low = calibrate(scores, asked, truth[asked], np.random.default_rng(0), 0.8)
    high = calibrate(scores, asked, truth[asked], np.random.default_rng(0), 0.99)
    assert low.threshold < high.threshold
    assert low.recall > high.recall


def test_pairs_lie_on_both_sides_of_the_boundary() -> None:
    scores, _ = world(2)
    asked = boundary_pairs(scores, 0.6, 24, np.random.default_rng(0))
    assert len(set(asked.tolist())) == 24
    assert np.all(np.diff(scores[asked]) >= 0)
    assert 9 <= np.sum(scores[asked] < 0.6) <= 15
    assert len(boundary_pairs(scores[:5], 0.6, 24, np.random.default_rng(0))) == 5
    assert len(boundary_pairs(scores, 5.0, 24, np.random.default_rng(0))) == 24


def test_answers_that_fix_nothing_are_refused() -> None:
    scores, truth = world(3)
    asked = np.arange(20)
    with pytest.raises(StrategyError, match="yes"):
        calibrate(scores, asked, np.ones(20, bool), np.random.default_rng(0))
    with pytest.raises(StrategyError, match="at least 8"):
        calibrate(scores, asked[:4], truth[:4], np.random.default_rng(0))
    with pytest.raises(StrategyError, match="finite"):
        calibrate(np.array([np.nan] * 20), asked, truth[:20], np.random.default_rng(0))
    with pytest.raises(StrategyError, match="20 to 40"):
        boundary_pairs(scores, 0.5, 0, np.random.default_rng(0))


def test_separable_answers_give_a_finite_curve() -> None:
    scores = np.linspace(0, 1, 200)
    asked = np.arange(0, 200, 10)
    found = calibrate(scores, asked, scores[asked] > 0.5, np.random.default_rng(0))
    assert 0.35 < found.threshold < 0.65
    assert np.isfinite([*found.precision_interval, *found.recall_interval]).all()
