"""From scores to results: areas, labels needed, labels saved, and a verdict in words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm, t

from ml_backend.experiments.replay.engine import Replayed

SHARES = (0.9, 0.95, 1.0)
AT = 0.95
RESAMPLES = 2000

ONLY_RANDOM: Final = "Only random was replayed. Name strategies to compare it with."

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


@dataclass(frozen=True)
class Saved:
    """Labels saved against random on the way to a share of the full-data score.

    Attributes:
        at: that share.
        percent: of the labels; None where neither gets there.
        low: lower end of its 95 percent interval; None also with a single seed.
        high: upper end.
    """

    at: float
    percent: float | None
    low: float | None
    high: float | None


@dataclass(frozen=True)
class Answer:
    """The result of one strategy.

    Attributes:
        labels: budgets.
        macro_f1: mean over the seeds at each budget.
        sd: standard deviation over the seeds.
        area: mean macro-F1 over the budgets.
        needed: share of the full-data score -> labels that it took, None where it was never reached.
        saved_vs_uniform: against random.
    """

    labels: list[int]
    macro_f1: list[float]
    sd: list[float]
    area: float
    needed: Mapping[str, float | None]
    saved_vs_uniform: Saved


@dataclass(frozen=True)
class Report:
    """The result of `paploop replay`.

    Attributes:
        full: what all labels give.
        strategies: by name.
        verdict: in words.
    """

    full: Mapping[str, float]
    strategies: Mapping[str, Answer]
    verdict: str

    def as_dict(self) -> dict[str, object]:
        """JSON form."""
        return asdict(self)


def steadied(curves: Float64) -> Float64:
    """Rows `(r, b)` made non-decreasing with the least change of squares (isotonic regression).

    By the min-max formula, g_i = max_{j <= i} min_{k >= i} mean(x_j .. x_k), for all rows at once (Robertson, Wright,
    Dykstra 1988, Order Restricted Statistical Inference).
    """
    out = np.full(curves.shape, -np.inf)
    for start in range(curves.shape[1]):
        means = np.cumsum(curves[:, start:], axis=1) / np.arange(1, curves.shape[1] - start + 1)
        np.maximum(out[:, start:], np.minimum.accumulate(means[:, ::-1], axis=1)[:, ::-1], out=out[:, start:])
    return out


def _needed(budgets: Sequence[int], curves: Float64, goals: Float64) -> Float64:
    """Labels `(r,)` at which curves `(r, b)` first reach their goals `(r,)`; NaN where one never does."""
    steady, marks = steadied(curves), np.asarray(budgets, dtype=np.float64)
    reached = steady >= goals[:, None] - 1e-12
    first = reached.argmax(axis=1)
    before = np.maximum(first - 1, 0)
    rows = np.arange(len(curves))
    low, high = steady[rows, before], steady[rows, first]
    share = np.where(high > low, (goals - low) / np.where(high > low, high - low, 1.0), 1.0)
    labels = marks[before] + np.clip(share, 0, 1) * (marks[first] - marks[before])
    return np.where(reached.any(axis=1), np.where(first == 0, marks[0], labels), np.nan)


def labels_needed(budgets: Sequence[int], curve: Float64, goal: float) -> float | None:
    """Labels at which a learning curve first reaches `goal`, between budgets on a straight line; None: it never does.

    The curve is made non-decreasing first: where noise lifts one budget above the next, the first crossing would come
    too early.
    """
    found = float(_needed(budgets, np.asarray(curve, dtype=np.float64)[None], np.array([goal]))[0])
    return None if np.isnan(found) else found


def saved(replayed: Replayed, name: str, seed: int = 0) -> Saved:
    """Labels saved against random on the way to 95 percent of the full-data score.

    Curves are averaged over the seeds. The interval (95 percent) resamples seeds, the same for both strategies and for
    the full score, and reaches further out when there are few (Hesterberg 2015, What Teachers Should Know About the
    Bootstrap: plain percentiles are too narrow for five seeds). A curve that does not get there counts as its last
    budget, so the saving of a strategy that does is a lower bound.
    """
    mine, random, full = replayed.macro_f1[name], replayed.macro_f1["uniform"], replayed.full_by_seed
    count, last = len(mine), float(replayed.budgets[-1])

    def percent(seeds: NDArray[np.int64]) -> Float64:
        goals = AT * full[seeds].mean(axis=1)
        ours = _needed(replayed.budgets, mine[seeds].mean(axis=1), goals)
        theirs = _needed(replayed.budgets, random[seeds].mean(axis=1), goals)
        saving = 100 * (1 - np.where(np.isnan(ours), last, ours) / np.where(np.isnan(theirs), last, theirs))
        return np.where(np.isnan(ours) & np.isnan(theirs), np.nan, saving)

    point = float(percent(np.arange(count)[None])[0])
    if np.isnan(point) or count < 2:
        return Saved(AT, None if np.isnan(point) else point, None, None)
    spread = percent(np.random.default_rng(seed).integers(0, count, (RESAMPLES, count)))
    tail = 100 * float(norm.cdf(-np.sqrt(count / (count - 1)) * t.ppf(0.975, count - 1)))
    low, high = np.nanpercentile([*spread, point], [tail, 100 - tail])
    return Saved(AT, point, float(low), float(high))


def area_gap(replayed: Replayed, name: str, other: str = "uniform") -> Gap:
    """Area under one curve above that under another one; seeds are paired, for both saw the same pool and test part."""
    gaps = (replayed.macro_f1[name] - replayed.macro_f1[other]).mean(axis=1)
    mean, count = float(gaps.mean()), len(gaps)
    if count < 2:
        return Gap(mean, None, None)
    reach = float(t.ppf(0.975, count - 1) * gaps.std(ddof=1) / np.sqrt(count))
    return Gap(mean, mean - reach, mean + reach)


def report(replayed: Replayed) -> Report:
    """The report of a replay."""
    answers: dict[str, Answer] = {}
    for name, scores in replayed.macro_f1.items():
        curve = scores.mean(axis=0)
        needed = {
            str(share): labels_needed(replayed.budgets, curve, share * replayed.full["macro_f1"]) for share in SHARES
        }
        answers[name] = Answer(
            labels=list(replayed.budgets),
            macro_f1=[round(float(value), 4) for value in curve],
            sd=[round(float(value), 4) for value in scores.std(axis=0, ddof=1 if len(scores) > 1 else 0)],
            area=float(scores.mean()),
            needed=needed,
            saved_vs_uniform=saved(replayed, name),
        )
    return Report(dict(replayed.full), answers, verdict(replayed, answers))


def verdict(replayed: Replayed, answers: Mapping[str, Answer]) -> str:
    """The conclusion in words."""
    others = sorted((name for name in answers if name != "uniform"), key=lambda name: -answers[name].area)
    seeds = len(replayed.macro_f1["uniform"])
    if not others:
        return ONLY_RANDOM
    sentences = [_about(replayed, answers, name) for name in others]
    ended = "; ".join(sentences) + f" ({seeds} seed{'s' if seeds > 1 else ''})."
    return " ".join(part for part in (ended, _lead(replayed, others), _limits(replayed, answers)) if part)


def _about(replayed: Replayed, answers: Mapping[str, Answer], name: str) -> str:
    gap, numbers = area_gap(replayed, name), answers[name].saved_vs_uniform
    if gap.low is None or gap.high is None:
        return f"{name} scored {'more' if gap.mean > 0 else 'no more'} than random with the only seed ({gap})"
    if gap.high < 0:
        return f"{name} was worse than random ({gap})"
    if gap.low <= 0:
        return f"{name} did not differ clearly from random ({gap})"
    if numbers.percent is None or numbers.low is None or numbers.high is None or numbers.low <= 0:
        return f"{name} was better than random ({gap})"
    interval = f"95 % interval {numbers.low:.0f} to {numbers.high:.0f}"
    bound = "at least " if answers["uniform"].needed[str(AT)] is None else ""
    return f"{name} saved {bound}{numbers.percent:.0f} % of the labels needed for 95 % of the full score ({interval})"


def _lead(replayed: Replayed, others: Sequence[str]) -> str:
    """Whether the best is better than the others, for choosing among them."""
    best = others[0]
    if len(others) < 2 or float(replayed.macro_f1[best].mean()) <= float(replayed.macro_f1["uniform"].mean()):
        return ""
    gaps = {name: area_gap(replayed, best, name) for name in others[1:]}
    close = [name for name, gap in gaps.items() if gap.low is None or gap.low <= 0]
    if not close:
        return f"{best} has the largest area, clearly ahead of the others."
    if len(close) == len(gaps):
        return f"{best} has the largest area, but is not clearly ahead of any other."
    return f"{best} has the largest area, but is not clearly ahead of {', '.join(close)}."


def _limits(replayed: Replayed, answers: Mapping[str, Answer]) -> str:
    """What these numbers cannot say."""
    said = []
    if answers["uniform"].macro_f1[0] >= AT * replayed.full["macro_f1"]:
        said.append("Random reaches it with the first budget, so nothing can be saved. Start with fewer labels.")
    if all(answer.needed[str(AT)] is None for answer in answers.values()):
        said.append("Nothing reached 95 % of the full score. Use larger --budgets.")
    if len(replayed.macro_f1["uniform"]) < 3:
        said.append("One or two seeds say little. Use --seeds 5.")
    return " ".join(said)
