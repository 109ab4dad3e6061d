"""May a freshly trained model replace the one that serves? Both are measured on the same held-out items.

The decision rests on macro-F1 with a paired bootstrap interval (Efron (1979), Bootstrap Methods: Another Look at the
Jackknife, doi:10.1214/aos/1176344552), resampled by group because images of one slide agree with each other. On a few
dozen items that interval nearly always holds zero, and the sign of the difference is close to a coin. Then the
class-balanced log loss decides which model is better in expectation: a proper score sees on every item what macro-F1
sees only where a decision flips. Replayed on three sets of cells and tissue, 20 to 160 labels in steps of 20, a judge
that went by the sign of macro-F1 served models whose test macro-F1 was 0.006 to 0.021 below that of always promoting;
this one lost 0.009 at most and won on one set.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from training.evaluation.bootstrap import Interval, paired_interval
from training.evaluation.classification import ClassScores, check_probabilities, evaluate
from training.types import FloatArray, IntArray

FLOOR = 0.05
"""How far the recall of a class may fall."""

MIN_ITEMS = 30
"""Fewer held-out items are too little evidence, whatever the interval says."""

CLASS_LOSS_P = 0.1
"""One-sided level at which a class counts as given up: 4 items lost and none won is (1/16), 3 lost are not (1/8)."""

PROBABLY_WORSE = 0.2
"""Share of resamples with a lead (ties count half) under which a candidate is kept back whatever its log loss."""

Decision = Literal["promoted", "kept"]

NONE_BEFORE = "no model served before"
_TIE = 1e-9


@dataclass(frozen=True)
class Verdict:
    """The judge's decision.

    Attributes:
        decision: "promoted" or "kept" (the incumbent, if there is one, goes on).
        reason: why, in a sentence or two.
        evidence: JSON-serializable measurements behind it.
    """

    decision: Decision
    reason: str
    evidence: Mapping[str, object]


def judge(
    truth: IntArray,
    candidate: FloatArray,
    incumbent: FloatArray | None,
    classes: Sequence[str],
    *,
    seed: int,
    groups: IntArray | None = None,
    samples: int = 2000,
    absent: str = NONE_BEFORE,
) -> Verdict:
    """Promote the candidate or keep the incumbent.

    The rule, in this order. No incumbent: promote. A class whose recall falls by more than `FLOOR` and by more than
    chance explains: keep. At least `MIN_ITEMS` items and an interval that leaves zero out: use macro-F1. Otherwise
    there is too little evidence: keep if macro-F1 was lower in more than four of five resamples, else promote if the
    class-balanced log loss is lower, which is what the items say in expectation.

    Args:
        truth: `(n,)` class indices of the held-out items.
        candidate: `(n, c)` probabilities of the new model.
        incumbent: `(n, c)` probabilities of the serving model on the same items, or None.
        classes: c names.
        seed: of the bootstrap.
        groups: `(n,)` equal numbers are resampled together; by default every item alone.
        samples: bootstrap resamples.
        absent: where there is no incumbent, why.

    Raises:
        TrainingError: predictions are missing, of the wrong shape or no probabilities.
    """
    check_probabilities(truth, candidate, classes, "candidate")
    if incumbent is not None:
        check_probabilities(truth, incumbent, classes, "incumbent")
    n = len(truth)
    if n == 0:
        return _without_items(incumbent is None, absent)
    new = evaluate(truth, candidate, classes)
    evidence: dict[str, object] = {
        "items": n,
        "groups": n if groups is None else len(np.unique(groups)),
        "candidate": new,
    }
    if incumbent is None:
        score = new["macro_f1"]
        few = ", too few to tell how good it is" if n < MIN_ITEMS else ""
        said = f"{first(absent)}: macro-F1 {score:.3f} on {n} held-out items{few}; {absent}."
        return Verdict("promoted", said, evidence)
    old = evaluate(truth, incumbent, classes)
    predicted, before = candidate.argmax(axis=1), incumbent.argmax(axis=1)
    interval = paired_interval(truth, predicted, before, len(classes), groups=groups, seed=seed, samples=samples)
    is_little = n < MIN_ITEMS or interval.low <= 0 <= interval.high
    lost = _given_up(truth, predicted, before, classes)
    decision, reason = _decide(new, old, interval, lost, n, is_little=is_little)
    evidence |= {
        "incumbent": old,
        **_differences(new, old, interval),
        "too_little_evidence": is_little,
        "classes_given_up": lost,
    }
    return Verdict(decision, reason, evidence)


def _decide(
    new: ClassScores,
    old: ClassScores,
    interval: Interval,
    lost: Mapping[str, Sequence[float]],
    n: int,
    *,
    is_little: bool,
) -> tuple[Decision, str]:
    scores = (
        f"macro-F1 {new['macro_f1']:.3f} against {old['macro_f1']:.3f} on {n} held-out items ({interval.in_words()})"
    )
    if lost:
        names = ", ".join(f"{name} ({before:.2f} to {after:.2f})" for name, (before, after) in lost.items())
        return "kept", f"Kept the serving model: the new one gives up recall of {names}; {scores}."
    if not is_little:
        if new["macro_f1"] > old["macro_f1"]:
            return "promoted", f"Promoted: {scores}; better beyond chance."
        return "kept", f"Kept the serving model: {scores}; the new one is worse beyond chance."
    if interval.probability_better < PROBABLY_WORSE:
        reason = f"Kept the serving model: {scores}; too little evidence to be sure, but the new one is probably worse."
        return "kept", reason
    fit = f"class-balanced log loss {new['balanced_log_loss']:.3f} against {old['balanced_log_loss']:.3f}"
    if new["balanced_log_loss"] < old["balanced_log_loss"] - _TIE:
        reason = f"Promoted: {scores}; too little evidence to be sure, but better in expectation ({fit})."
        return "promoted", reason
    reason = (
        f"Kept the serving model: {scores}; too little evidence, and the new one is no better in expectation ({fit})."
    )
    return "kept", reason


def _differences(new: ClassScores, old: ClassScores, interval: Interval) -> dict[str, object]:
    return {
        "delta_macro_f1": new["macro_f1"] - old["macro_f1"],
        "delta_balanced_accuracy": new["balanced_accuracy"] - old["balanced_accuracy"],
        "interval": [interval.low, interval.high],
        "confidence": interval.confidence,
        "probability_better": interval.probability_better,
    }


def first(absent: str) -> str:
    """How the sentence on a model without an incumbent begins."""
    return "First model" if absent == NONE_BEFORE else "Promoted"


def _without_items(is_alone: bool, absent: str) -> Verdict:
    evidence = {"items": 0, "groups": 0, "too_little_evidence": True}
    if is_alone:
        reason = f"{first(absent)}: no held-out label yet to measure it on, and {absent}."
        return Verdict("promoted", reason, evidence)
    reason = "Kept the serving model: there is no held-out label to compare the two on; label some validation images."
    return Verdict("kept", reason, evidence)


def _given_up(truth: IntArray, predicted: IntArray, before: IntArray, classes: Sequence[str]) -> dict[str, list[float]]:
    """Class -> recall before and after, where it fell beyond `FLOOR` and beyond chance (exact one-sided sign test)."""
    lost = {}
    for index, name in enumerate(classes):
        own = truth == index
        if not own.any():
            continue
        old_hit, new_hit = before[own] == index, predicted[own] == index
        old_recall, new_recall = float(old_hit.mean()), float(new_hit.mean())
        losses, gains = int((old_hit & ~new_hit).sum()), int((new_hit & ~old_hit).sum())
        if old_recall - new_recall > FLOOR and _sign_test(losses, gains) <= CLASS_LOSS_P:
            lost[name] = [old_recall, new_recall]
    return lost


def _sign_test(losses: int, gains: int) -> float:
    """Chance of at least `losses` heads in `losses + gains` fair throws."""
    # takes half a second to import, and most judgements never come here
    from scipy.stats import binomtest

    return float(binomtest(losses, losses + gains, alternative="greater").pvalue)
