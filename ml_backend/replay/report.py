"""From scores to answers: areas, labels needed, labels saved, and a verdict in words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm, t
from sklearn.isotonic import isotonic_regression

from ml_backend.replay.engine import Replayed

SHARES = (0.9, 0.95, 1.0)
AT = 0.95
RESAMPLES = 2000

Float64 = NDArray[np.float64]


@dataclass(frozen=True)
class Gap:
    """A difference of areas over the same seeds, with its 95 percent interval (Student's t); none with one seed."""

    mean: float
    low: float | None
    high: float | None

    def __str__(self) -> str:
        if self.low is None or self.high is None:
            return f"area {self.mean:+.3f}"
        return f"area {self.mean:+.3f}, 95 % interval {self.low:+.3f} to {self.high:+.3f}"


def labels_needed(budgets: Sequence[int], curve: Float64, goal: float) -> float | None:
    """Labels at which a learning curve first reaches `goal`, between budgets on a straight line; None: it never does.

    The curve is made non-decreasing first (isotonic regression): where noise lifts one budget above the next, the first
    crossing would come too early.
    """
    steady: Float64 = isotonic_regression(curve)
    reached = np.flatnonzero(steady >= goal - 1e-12)
    if not len(reached):
        return None
    first = int(reached[0])
    if first == 0:
        return float(budgets[0])
    low, high = float(steady[first - 1]), float(steady[first])
    share = (goal - low) / (high - low)
    return float(budgets[first - 1] + share * (budgets[first] - budgets[first - 1]))


def saved(replayed: Replayed, name: str, seed: int = 0) -> dict[str, float | None]:
    """Labels saved against random on the way to 95 percent of the full-data score.

    Curves are averaged over the seeds. The interval (95 percent) resamples seeds, the same for both strategies and for
    the full score, and reaches further out when there are few (Hesterberg 2015, What Teachers Should Know About the
    Bootstrap: plain percentiles are too narrow for five seeds). A curve that does not get there counts as its last
    budget, so the saving of a strategy that does is a lower bound.

    Returns:
        `at`, `percent`, `low`, `high`; None where neither gets there, the interval also with a single seed.
    """
    mine, random, full = replayed.macro_f1[name], replayed.macro_f1["uniform"], replayed.full_by_seed
    count = len(mine)

    def percent(seeds: NDArray[np.int64]) -> float | None:
        goal = AT * float(full[seeds].mean())
        return _saving(replayed.budgets, mine[seeds].mean(axis=0), random[seeds].mean(axis=0), goal)

    point = percent(np.arange(count))
    if point is None or count < 2:
        return {"at": AT, "percent": point, "low": None, "high": None}
    rng = np.random.default_rng(seed)
    spread = [percent(rng.integers(0, count, count)) for _ in range(RESAMPLES)]
    known = [value for value in spread if value is not None]
    tail = 100 * float(norm.cdf(-np.sqrt(count / (count - 1)) * t.ppf(0.975, count - 1)))
    low, high = np.percentile([*known, point], [tail, 100 - tail])
    return {"at": AT, "percent": point, "low": float(low), "high": float(high)}


def _saving(budgets: Sequence[int], mine: Float64, random: Float64, goal: float) -> float | None:
    ours, theirs = labels_needed(budgets, mine, goal), labels_needed(budgets, random, goal)
    if ours is None and theirs is None:
        return None
    last = float(budgets[-1])
    return 100.0 * (1 - (ours or last) / (theirs or last))


def area_gap(replayed: Replayed, name: str, other: str = "uniform") -> Gap:
    """Area under one curve above that under another one; seeds are paired, for both saw the same pool and test part."""
    gaps = (replayed.macro_f1[name] - replayed.macro_f1[other]).mean(axis=1)
    mean, count = float(gaps.mean()), len(gaps)
    if count < 2:
        return Gap(mean, None, None)
    reach = float(t.ppf(0.975, count - 1) * gaps.std(ddof=1) / np.sqrt(count))
    return Gap(mean, mean - reach, mean + reach)


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
    others = sorted((name for name in answers if name != "uniform"), key=lambda name: -float(answers[name]["area"]))
    seeds = len(replayed.macro_f1["uniform"])
    if not others:
        return "Only random was replayed; name strategies to compare it with."
    sentences = [_about(replayed, answers, name) for name in others]
    ended = "; ".join(sentences) + f" ({seeds} seed{'s' if seeds > 1 else ''})."
    return " ".join(part for part in (ended, _lead(replayed, others), _limits(replayed, answers)) if part)


def _about(replayed: Replayed, answers: dict[str, Any], name: str) -> str:
    gap, numbers = area_gap(replayed, name), answers[name]["saved_vs_uniform"]
    if gap.low is None or gap.high is None:
        return f"{name} scored {'more' if gap.mean > 0 else 'no more'} than random with the only seed ({gap})"
    if gap.high < 0:
        return f"{name} was worse than random ({gap})"
    if gap.low <= 0:
        return f"{name} did not differ clearly from random ({gap})"
    if numbers["percent"] is None or numbers["low"] <= 0:
        return f"{name} was better than random ({gap})"
    interval = f"95 % interval {numbers['low']:.0f} to {numbers['high']:.0f}"
    bound = "at least " if answers["uniform"]["needed"][str(AT)] is None else ""
    return f"{name} saved {bound}{numbers['percent']:.0f} % of labels on the way to 95 % of the full score ({interval})"


def _lead(replayed: Replayed, others: Sequence[str]) -> str:
    """Whether the best is better than the others, for choosing among them."""
    best = others[0]
    if len(others) < 2 or float(replayed.macro_f1[best].mean()) <= float(replayed.macro_f1["uniform"].mean()):
        return ""
    gaps = {name: area_gap(replayed, best, name) for name in others[1:]}
    close = [name for name, gap in gaps.items() if gap.low is None or gap.low <= 0]
    if not close:
        return f"The largest area has {best}, clearly ahead of the others."
    if len(close) == len(gaps):
        return f"The largest area has {best}, but not clearly ahead of any other."
    return f"The largest area has {best}, not clearly ahead of {', '.join(close)}."


def _limits(replayed: Replayed, answers: dict[str, Any]) -> str:
    """What these numbers cannot say."""
    said = []
    if float(answers["uniform"]["macro_f1"][0]) >= AT * replayed.full["macro_f1"]:
        said.append("Random is there with the first budget already, so nothing can be saved; begin with fewer labels.")
    if all(answer["needed"][str(AT)] is None for answer in answers.values()):
        said.append("Nothing reached 95 % of the full score; give larger --budgets.")
    if len(replayed.macro_f1["uniform"]) < 3:
        said.append("One or two seeds say little; give --seeds 5.")
    return " ".join(said)
