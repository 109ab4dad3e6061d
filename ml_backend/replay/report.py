"""From scores to answers: areas, labels needed, labels saved, and a verdict in words."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ml_backend.replay.engine import Replayed

SHARES = (0.9, 0.95, 1.0)
AT = 0.95
RESAMPLES = 2000

Float64 = NDArray[np.float64]


def labels_needed(budgets: Sequence[int], curve: Float64, goal: float) -> float | None:
    """Labels at which a curve first reaches `goal`, between budgets on a straight line; None when it never does."""
    reached = np.flatnonzero(curve >= goal)
    if not len(reached):
        return None
    first = int(reached[0])
    if first == 0:
        return float(budgets[0])
    low, high = float(curve[first - 1]), float(curve[first])
    share = (goal - low) / (high - low)
    return float(budgets[first - 1] + share * (budgets[first] - budgets[first - 1]))


def saved(replayed: Replayed, name: str, seed: int = 0) -> dict[str, float | None]:
    """Labels saved against random on the way to 95 percent of the full-data score.

    Curves are averaged over the seeds; the interval (95 percent) resamples seeds, the same for both strategies. A curve
    that does not get there counts as its last budget, so the saving of a strategy that does is a lower bound. None
    where random and the strategy both do not.

    Returns:
        `at`, `percent`, `low`, `high`.
    """
    goal = AT * replayed.full["macro_f1"]
    mine, random = replayed.macro_f1[name], replayed.macro_f1["uniform"]
    rng = np.random.default_rng(seed)
    percent = _saving(replayed.budgets, mine.mean(axis=0), random.mean(axis=0), goal)
    draws = [rng.integers(0, len(mine), len(mine)) for _ in range(RESAMPLES)]
    spread = [_saving(replayed.budgets, mine[draw].mean(axis=0), random[draw].mean(axis=0), goal) for draw in draws]
    known = [value for value in spread if value is not None]
    if percent is None or not known:
        return {"at": AT, "percent": None, "low": None, "high": None}
    low, high = np.percentile(known, [2.5, 97.5])
    return {"at": AT, "percent": percent, "low": float(low), "high": float(high)}


def _saving(budgets: Sequence[int], mine: Float64, random: Float64, goal: float) -> float | None:
    ours, theirs = labels_needed(budgets, mine, goal), labels_needed(budgets, random, goal)
    if ours is None and theirs is None:
        return None
    last = float(budgets[-1])
    return 100.0 * (1 - (ours or last) / (theirs or last))


def area_gain(replayed: Replayed, name: str, seed: int = 0) -> tuple[float, float, float]:
    """Area under the curve above random: mean and 95 percent interval over resampled seeds."""
    gaps = (replayed.macro_f1[name] - replayed.macro_f1["uniform"]).mean(axis=1)
    rng = np.random.default_rng(seed)
    means = gaps[rng.integers(0, len(gaps), (RESAMPLES, len(gaps)))].mean(axis=1)
    low, high = np.percentile(means, [2.5, 97.5])
    return float(gaps.mean()), float(low), float(high)


def report(replayed: Replayed) -> dict[str, Any]:
    """The answer of `paploop replay --json`; `area` is the mean macro-F1 over the budgets."""
    answers: dict[str, Any] = {}
    for name, scores in replayed.macro_f1.items():
        curve = scores.mean(axis=0)
        needed = {
            str(share): labels_needed(replayed.budgets, curve, share * replayed.full["macro_f1"]) for share in SHARES
        }
        answers[name] = {
            "labels": list(replayed.budgets),
            "macro_f1": [round(float(value), 4) for value in curve],
            "sd": [round(float(value), 4) for value in scores.std(axis=0, ddof=1 if len(scores) > 1 else 0)],
            "area": float(scores.mean()),
            "needed": needed,
            "saved_vs_uniform": saved(replayed, name),
        }
    return {"full": dict(replayed.full), "strategies": answers, "verdict": verdict(replayed, answers)}


def verdict(replayed: Replayed, answers: dict[str, Any]) -> str:
    """What a lead should take from it, in words."""
    others = [name for name in answers if name != "uniform"]
    seeds = len(replayed.macro_f1["uniform"])
    if not others:
        return "Only random was replayed; name strategies to compare it with."
    best = max(others, key=lambda name: float(answers[name]["area"]))
    sentences = [_about(replayed, answers, name) for name in sorted(others, key=lambda name: name != best)]
    caution = "" if seeds >= 3 else " One or two seeds say little; give --seeds 5."
    return "; ".join(sentences) + f" ({seeds} seeds)." + caution


def _about(replayed: Replayed, answers: dict[str, Any], name: str) -> str:
    gain, low, high = area_gain(replayed, name)
    numbers = answers[name]["saved_vs_uniform"]
    if high < 0:
        return f"{name} was worse than random (area {gain:+.3f})"
    if low <= 0:
        return f"{name} did not differ clearly from random (area {gain:+.3f}, 95 % interval {low:+.3f} to {high:+.3f})"
    if numbers["percent"] is None or numbers["low"] <= 0:
        return f"{name} was better than random (area {gain:+.3f}, 95 % interval {low:+.3f} to {high:+.3f})"
    interval = f"95 % interval {numbers['low']:.0f} to {numbers['high']:.0f}"
    return f"{name} saved {numbers['percent']:.0f} % of labels on the way to 95 % of the full score ({interval})"
