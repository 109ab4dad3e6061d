"""From rounds to results: what a strategy saved in images and in objects, with intervals, and a verdict in words."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ml_backend.experiments.replay.objects import ObjectReplay
from ml_backend.experiments.replay.objects_answer import Answer, Efforts, Full, Gains, Interval, ObjectReport, Saved
from ml_backend.experiments.replay.objects_rounds import Round
from ml_backend.experiments.replay.report import ONLY_RANDOM

Float64 = NDArray[np.float64]

SHARES = (0.9, 0.95, 1.0)
AT = 0.9
RESAMPLES = 400
CLEAR = 0.5
"""Percent saved or lost below which nobody would notice."""


@dataclass(frozen=True)
class Curves:
    """AP50 of one strategy.

    Attributes:
        images: `(b,)` labeled images.
        objects: `(b,)` labeled objects, mean over the seeds.
        ap50: `(b,)` mean over the seeds.
    """

    images: Float64
    objects: Float64
    ap50: Float64

    def needed(self, goal: float, effort: Float64) -> float | None:
        """Effort at which the curve first reaches `goal`, on straight lines between rounds; None when it never does."""
        reached = np.flatnonzero(self.ap50 >= goal)
        if not len(reached):
            return None
        first = int(reached[0])
        if first == 0:
            return float(effort[0])
        low, high = self.ap50[first - 1], self.ap50[first]
        return float(effort[first - 1] + (goal - low) / (high - low) * (effort[first] - effort[first - 1]))


class Sample:
    """The replay as it was, or one in which seeds and test images were drawn again with replacement.

    Args:
        replayed: all rounds.
        seeds: `(s,)` seeds drawn.
        times: `(n,)` how often each test image counts; None: as measured.
    """

    def __init__(self, replayed: ObjectReplay, seeds: NDArray[np.int64], times: NDArray[np.int64] | None) -> None:
        self.replayed, self.seeds, self.times = replayed, seeds, times
        self._known: dict[int, float] = {}
        self.full = self._ap50(replayed.full)
        self.curves = {name: self._curves(rounds) for name, rounds in replayed.curves.items()}

    def _curves(self, rounds: tuple[tuple[Round, ...], ...]) -> Curves:
        drawn = [rounds[seed] for seed in self.seeds]
        return Curves(
            images=np.array(self.replayed.budgets, dtype=np.float64),
            objects=np.mean([[each.objects for each in chain] for chain in drawn], axis=0),
            ap50=np.mean([[self._ap50(each) for each in chain] for chain in drawn], axis=0),
        )

    def _ap50(self, done: Round) -> float:
        if self.times is None:
            return done.ap50
        if id(done) not in self._known:
            self._known[id(done)] = done.matches.ap50(self.times)
        return self._known[id(done)]

    def saved(self, name: str, effort: str) -> float | None:
        """Percent of `images` or `objects` saved against random on the way to 90 percent of the full AP50.

        A curve that does not get there counts as its last round, so the saving of one that does is a lower bound.
        """
        mine, random = self.curves[name], self.curves["uniform"]
        ours = mine.needed(AT * self.full, getattr(mine, effort))
        theirs = random.needed(AT * self.full, getattr(random, effort))
        if ours is None and theirs is None:
            return None
        ours = float(getattr(mine, effort)[-1]) if ours is None else ours
        theirs = float(getattr(random, effort)[-1]) if theirs is None else theirs
        return 100.0 * (1 - ours / theirs)

    def gain(self, name: str, effort: str) -> float | None:
        """Mean AP50 above random over the images or objects that both curves cover; None where they do not overlap."""
        mine, random = self.curves[name], self.curves["uniform"]
        own, other = getattr(mine, effort), getattr(random, effort)
        low, high = max(own[0], other[0]), min(own[-1], other[-1])
        if high <= low:
            return None
        places = np.linspace(low, high, 200)
        return float((np.interp(places, own, mine.ap50) - np.interp(places, other, random.ap50)).mean())


def samples(replayed: ObjectReplay, seed: int = 0) -> list[Sample]:
    """Replays with seeds and test images drawn again, the same for all strategies."""
    rng = np.random.default_rng(seed)
    count, images = len(replayed.curves["uniform"]), len(replayed.full.matches.objects)
    drawn = []
    for _ in range(RESAMPLES):
        times = np.bincount(rng.integers(0, images, images), minlength=images).astype(np.int64)
        drawn.append(Sample(replayed, rng.integers(0, count, count), times))
    return drawn


def _interval(point: float | None, spread: list[float | None]) -> Interval:
    known = [value for value in spread if value is not None and np.isfinite(value)]
    if point is None or not known:
        return Interval(None, None, None)
    low, high = np.percentile(known, [2.5, 97.5])
    return Interval(point, float(low), float(high))


def report(replayed: ObjectReplay) -> ObjectReport:
    """The report of a detection replay; intervals are 95 percent over seeds and test images."""
    whole = Sample(replayed, np.arange(len(replayed.curves["uniform"])), None)
    spread = samples(replayed)
    answers = {name: _answer(replayed, whole, spread, name) for name in replayed.curves}
    done = replayed.full
    full = Full(len(done.images), done.objects, whole.full, _by_class((done,)))
    return ObjectReport(full, answers, verdict(whole, answers))


def _answer(replayed: ObjectReplay, whole: Sample, spread: list[Sample], name: str) -> Answer:
    mine, chains = whole.curves[name], replayed.curves[name]
    scores = np.array([[each.ap50 for each in chain] for chain in chains])

    def saved(effort: str) -> Interval:
        return _interval(whole.saved(name, effort), [sample.saved(name, effort) for sample in spread])

    def gain(effort: str) -> Interval:
        return _interval(_hundred(whole.gain(name, effort)), [_hundred(each.gain(name, effort)) for each in spread])

    images = saved("images")
    return Answer(
        labels=list(replayed.budgets),
        objects=[round(float(value), 1) for value in mine.objects],
        ap50=[round(float(value), 4) for value in mine.ap50],
        sd=[round(float(value), 4) for value in scores.std(axis=0, ddof=1 if len(scores) > 1 else 0)],
        area=float(scores.mean()),
        needed={str(share): _needed(mine, share * whole.full) for share in SHARES},
        per_class=[_by_class(tuple(chain[step] for chain in chains)) for step in range(len(replayed.budgets))],
        saved_vs_uniform=Saved(AT, images.percent, images.low, images.high, saved("objects")),
        gain_vs_uniform=Gains(gain("images"), gain("objects")),
    )


def _needed(mine: Curves, goal: float) -> Efforts:
    return Efforts(mine.needed(goal, mine.images), mine.needed(goal, mine.objects))


def _hundred(value: float | None) -> float | None:
    return None if value is None else 100 * value


def _by_class(rounds: tuple[Round, ...]) -> Mapping[str, float | None]:
    found: dict[str, float | None] = {}
    for name in rounds[0].per_class:
        known = [value for value in (each.per_class[name] for each in rounds) if value is not None]
        found[name] = round(float(np.mean(known)), 4) if known else None
    return found


def verdict(whole: Sample, answers: Mapping[str, Answer]) -> str:
    """The conclusion in words; effort is counted in objects, because experts draw objects."""
    others = [name for name in answers if name != "uniform"]
    if not others:
        return ONLY_RANDOM
    start = answers["uniform"].ap50[0]
    if start >= AT * whole.full:
        return (
            f"The first images alone reach {start:.3f} of {whole.full:.3f}, more than 90 %, so nothing can be "
            "saved. Start with fewer in --budgets."
        )
    seeds = len(whole.seeds)
    random = answers["uniform"].needed[str(AT)]
    goal = f"90 % of the AP50 with all labels ({AT * whole.full:.3f} of {whole.full:.3f}) took random {_effort(random)}"
    best = sorted(others, key=lambda name: answers[name].needed[str(AT)].objects or np.inf)
    sentences = [_about(answers[name], name) for name in best]
    caution = "" if seeds >= 3 else " One or two seeds say little. Use --seeds 3."
    return "; ".join([goal, *sentences]) + f" ({seeds} seeds)." + caution


def _effort(needed: Efforts) -> str:
    if needed.objects is None:
        return "more than was replayed"
    return f"{needed.objects:.0f} objects on {needed.images:.0f} images"


def _about(answer: Answer, name: str) -> str:
    numbers, effort = answer.saved_vs_uniform.objects, _effort(answer.needed[str(AT)])
    if numbers.percent is None or numbers.low is None or numbers.high is None:
        return f"{name} took {effort}"
    interval = f"{numbers.percent:+.0f} % saved, 95 % interval {numbers.low:+.0f} to {numbers.high:+.0f}"
    if numbers.low > CLEAR:
        return f"{name} {effort}: fewer objects than random ({interval})"
    if numbers.high < -CLEAR:
        return f"{name} {effort}: more objects than random ({interval})"
    return f"{name} {effort}: not clearly different from random ({interval})"
