"""From yes/no answers about borderline pairs to a threshold with precision and recall.

Every rising logistic curve of "is a duplicate" over the score is weighed by how well it explains the answers (Bayes'
rule on a grid of middles and steepnesses), then read over all candidate pairs, so that the answers, which crowd at
the boundary, do not distort the estimate. Intervals: curves drawn by their weight, and for each the truth of the pairs.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from strategies.base import BoolArray, FloatArray, IntArray, StrategyError

FEWEST_ANSWERS = 8
ROUNDS = 400

# in units of the spread of the scores asked about
_STEEPNESS = np.geomspace(0.7, 40.0, 40)
_BEYOND = 1.0
_MIDDLES = 81

Interval = tuple[float, float]


@dataclass(frozen=True)
class Calibration:
    """A threshold with its precision and recall; intervals are 95 percent.

    Attributes:
        threshold: pairs that score at least this count as duplicates.
        precision: expected part in [0, 1] of those that are duplicates.
        precision_interval: lower and upper end.
        recall: expected part in [0, 1] of the duplicates among the candidates that are found.
        recall_interval: lower and upper end.
        answers: how many answers it rests on.
    """

    threshold: float
    precision: float
    precision_interval: Interval
    recall: float
    recall_interval: Interval
    answers: int


def boundary_pairs(scores: FloatArray, threshold: float, count: int, rng: np.random.Generator) -> IntArray:
    """Choose pairs to ask about: most near the threshold on both sides, some spread over the rest.

    Args:
        scores: `(n,)` of all candidate pairs, higher = more alike.
        threshold: the present one.
        count: how many to choose, 20 to 40 are sensible.
        rng: source of the spread ones.

    Returns:
        `(min(n, count),)` int64 positions, from the lowest score to the highest.

    Raises:
        StrategyError: a score is not finite, or `count` is below 1.
    """
    values = _finite(scores)
    if count < 1:
        raise StrategyError(f"The number of pairs must be at least 1, not {count}. Use 20 to 40.")
    near = max(1, (3 * count) // 8)
    order = np.argsort(values, kind="stable")
    split = int(np.searchsorted(values[order], threshold))
    chosen = list(order[max(0, split - near) : split]) + list(order[split : split + near])
    rest = np.setdiff1d(order, chosen)
    more = min(len(rest), count - len(chosen))
    picked = np.array([*chosen, *rng.choice(rest, more, replace=False)], np.int64)[:count]
    return picked[np.argsort(values[picked], kind="stable")]


def calibrate(
    scores: FloatArray,
    asked: IntArray,
    answers: BoolArray,
    rng: np.random.Generator,
    wanted_precision: float = 0.95,
) -> Calibration:
    """The lowest threshold whose expected precision reaches the wanted one.

    Args:
        scores: `(n,)` of all candidate pairs.
        asked: `(k,)` positions of the pairs that were answered.
        answers: `(k,)` True for "these are duplicates".
        rng: source of the draws.
        wanted_precision: in (0, 1].

    Raises:
        StrategyError: too few answers, answers of one kind only, or a score that is not finite.
    """
    values = _finite(scores)
    said = np.asarray(answers, np.bool_)
    if len(said) < FEWEST_ANSWERS or said.all() or not said.any():
        raise StrategyError(
            f"{len(said)} answers, {int(said.sum())} of them yes, do not determine a threshold. Answer at "
            f"least {FEWEST_ANSWERS} pairs, some with yes and some with no."
        )
    centre, spread = float(values[asked].mean()), float(max(values[asked].std(), 1e-6))
    scaled = (values - centre) / spread
    curves, weights = _curves(scaled[asked], said)
    drawn = curves[rng.choice(len(curves), ROUNDS, p=weights)]
    chance = np.asarray(sum(_chance(scaled, curve) for curve in drawn) / ROUNDS)
    threshold = _threshold(values, chance, wanted_precision)
    taken = values >= threshold
    draws = [_worth((rng.random(len(scaled)) < _chance(scaled, curve)).astype(np.float64), taken) for curve in drawn]
    precision, recall = _worth(chance, taken)
    low, high = np.quantile(np.array(draws), [0.025, 0.975], axis=0)
    return Calibration(
        float(threshold),
        precision,
        (float(min(low[0], precision)), float(max(high[0], precision))),
        recall,
        (float(min(low[1], recall)), float(max(high[1], recall))),
        len(said),
    )


def _finite(scores: FloatArray) -> NDArray[np.float64]:
    values = np.asarray(scores, np.float64)
    bad = np.flatnonzero(~np.isfinite(values))
    if values.ndim != 1 or len(bad):
        raise StrategyError(f"The score of pair {bad[0] if len(bad) else 0} is not finite. Leave it out.")
    return values


def _curves(x: NDArray[np.float64], said: BoolArray) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """`(g, 2)` steepness and middle of curves, and `(g,)` how much each is believed after the answers."""
    middles = np.linspace(x.min() - _BEYOND, x.max() + _BEYOND, _MIDDLES)
    curves = np.stack(np.meshgrid(_STEEPNESS, middles, indexing="ij"), axis=-1).reshape(-1, 2)
    heights = curves[:, :1] * (x[None] - curves[:, 1:])
    explained = -np.logaddexp(0.0, np.where(said, -heights, heights)).sum(axis=1)
    weights = np.exp(explained - explained.max())
    return curves, weights / weights.sum()


def _chance(x: NDArray[np.float64], curve: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(1 / (1 + np.exp(-np.clip(curve[0] * (x - curve[1]), -30, 30))))


def _threshold(values: NDArray[np.float64], chance: NDArray[np.float64], wanted: float) -> float:
    order = np.argsort(-values, kind="stable")
    precision = np.cumsum(chance[order]) / np.arange(1, len(order) + 1)
    enough = np.flatnonzero(precision >= wanted)
    return float(values[order[enough[-1]]] if len(enough) else values[order[0]])


def _worth(chance: NDArray[np.float64], taken: BoolArray) -> tuple[float, float]:
    found = float(chance[taken].sum())
    return found / max(int(taken.sum()), 1), found / max(float(chance.sum()), 1e-12)
