"""May a freshly trained detector replace the one that serves? Both are measured on the same held-out images.

AP50 decides, of outlines where both models and the truth have them, else of boxes. How sure the difference is comes
from a paired bootstrap (Efron (1979), Bootstrap Methods: Another Look at the Jackknife, doi:10.1214/aos/1176344552)
over groups of images, for images of one slide agree with each other. A candidate with a lower AP50 never replaces a
serving model, thin as the evidence may be: nothing is lost by waiting for the next run, which learns from more labels.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from training.data.detection_set import DetectionSet
from training.evaluation.bootstrap import Interval
from training.evaluation.detection import Kind, ObjectScores, evaluate, matched
from training.evaluation.matching import Matches
from training.evaluation.promotion import NONE_BEFORE, Decision, Verdict, first
from training.types import Detections, IntArray, TrainingError

FLOOR = 0.1
"""How far the AP50 of a class may fall."""
FEWEST_OF_A_CLASS = 3
"""Held-out objects of a class below which its AP50 says nothing."""
MIN_IMAGES, MIN_OBJECTS = 10, 30
"""Fewer of either are too little evidence, whatever the interval says."""
CONFIDENCE = 0.9
MEASURES: Final[Mapping[Kind, str]] = {"segm": "AP50 of outlines", "bbox": "AP50 of boxes"}
_TIE = 1e-9


def judge_detectors(
    data: DetectionSet,
    candidate: Sequence[Detections],
    incumbent: Sequence[Detections] | None,
    *,
    seed: int,
    samples: int = 400,
    absent: str = NONE_BEFORE,
) -> Verdict:
    """Promote the candidate or keep the incumbent.

    The rule, in this order. No incumbent: promote. Nothing to measure on: keep. A class of which at least three objects
    are held out loses more than 0.1 of AP50, and does so in nine of ten resamples: keep. Otherwise promote if AP50 is
    higher, or equal with a higher AP over IoU 0.5 to 0.95. The reason says whether the difference is beyond chance.

    Args:
        data: the held-out images with their objects; `group` is what is resampled together.
        candidate: predictions of the new model, one per image.
        incumbent: predictions of the serving model on the same images, or None.
        seed: of the bootstrap.
        samples: bootstrap resamples.
        absent: where there is no incumbent, why.

    Raises:
        TrainingError: predictions are missing, or a measurement is not a number.
    """
    objects = sum(len(image.boxes) for image in data.images)
    if not objects:
        return _without_objects(len(data.images), incumbent is None, absent)
    models = [candidate] if incumbent is None else [candidate, incumbent]
    kind: Kind = "segm" if data.has_masks and all(e.masks is not None for m in models for e in m) else "bbox"
    rng = np.random.default_rng(seed)
    times = _resampled([image.group for image in data.images], rng, samples)
    new, spread = _measured(data, candidate, kind, times, "new")
    groups = len({image.group for image in data.images})
    evidence: dict[str, object] = {
        "measure": MEASURES[kind],
        "images": len(data.images),
        "objects": objects,
        "groups": groups,
        "candidate": new,
        "candidate_interval": _percentiles(spread),
    }
    few = ", too few to tell how good it is" if len(data.images) < MIN_IMAGES or objects < MIN_OBJECTS else ""
    on = f"on {len(data.images)} held-out images with {objects} objects"
    if incumbent is None:
        reason = f"{first(absent)}: {MEASURES[kind]} {_ap50(new, kind):.3f} {on}{few}; {absent}."
        return Verdict("promoted", f"{reason}{_blind_spots(new, kind)}", evidence)
    old, before = _measured(data, incumbent, kind, times, "serving")
    difference = spread - before
    interval = _interval(difference)
    is_little = (
        len(data.images) < MIN_IMAGES or objects < MIN_OBJECTS or groups < 2 or interval.low <= 0 <= interval.high
    )
    lost = _given_up(data, candidate, incumbent, kind, times)
    decision, reason = _decide(new, old, kind, lost, f"{on} ({interval.in_words()})", is_little=is_little)
    evidence |= {
        "incumbent": old,
        "delta_AP50": _ap50(new, kind) - _ap50(old, kind),
        "interval": [interval.low, interval.high],
        "confidence": interval.confidence,
        "probability_better": interval.probability_better,
        "too_little_evidence": is_little,
        "classes_given_up": lost,
    }
    return Verdict(decision, f"{reason}{_blind_spots(new, kind)}", evidence)


def ap50_of(
    data: DetectionSet, found: Sequence[Detections], kind: Kind, *, seed: int, samples: int = 100
) -> tuple[float, list[float] | None]:
    """AP50 of one model with the ends of its bootstrap interval, measured as the judge does.

    Raises:
        TrainingError: predictions are missing, or the measurement is not a number.
    """
    times = _resampled([image.group for image in data.images], np.random.default_rng(seed), samples)
    measured, spread = _measured(data, found, kind, times, "earlier")
    return _ap50(measured, kind), _percentiles(spread)


def _blind_spots(measured: ObjectScores, kind: Kind) -> str:
    """Classes of which nothing is found, and those that nothing can be said of, so that none is silently at zero."""
    per_class = _of_kind(measured, kind)["per_class"]
    blind = [name for name, one in per_class.items() if one["objects"] and not one["AP50"]]
    unknown = [name for name, one in per_class.items() if not one["objects"]]
    said = f" The new model finds no {', '.join(blind)}." if blind else ""
    return said + (f" There is no held-out {', '.join(unknown)} to measure it on." if unknown else "")


def _decide(
    candidate: ObjectScores,
    incumbent: ObjectScores,
    kind: Kind,
    lost: Mapping[str, Sequence[float]],
    on: str,
    *,
    is_little: bool,
) -> tuple[Decision, str]:
    new, old = _ap50(candidate, kind), _ap50(incumbent, kind)
    scores = f"{MEASURES[kind]} {new:.3f} against {old:.3f} {on}"
    if lost:
        names = ", ".join(f"{name} ({before:.2f} to {after:.2f})" for name, (before, after) in lost.items())
        return "kept", f"Kept the serving model: the new one gives up AP50 of {names}; {scores}."
    finer = _average(candidate, kind) - _average(incumbent, kind)
    better = new > old + _TIE or (abs(new - old) <= _TIE and finer > _TIE)
    sure = "too little evidence to be sure" if is_little else "beyond chance"
    if better:
        return "promoted", f"Promoted: {scores}; better, {sure}."
    worse = "no better" if abs(new - old) <= _TIE else "worse"
    return "kept", f"Kept the serving model: {scores}; the new one is {worse}, {sure}."


def _without_objects(images: int, is_alone: bool, absent: str) -> Verdict:
    evidence = {"images": images, "objects": 0, "groups": 0, "too_little_evidence": True}
    if is_alone:
        reason = f"{first(absent)}: no held-out object yet to measure it on, and {absent}."
        return Verdict("promoted", reason, evidence)
    reason = "Kept the serving model: there is no held-out object to compare the two on; label some validation images."
    return Verdict("kept", reason, evidence)


def _measured(
    data: DetectionSet, found: Sequence[Detections], kind: Kind, times: IntArray, which: str
) -> tuple[ObjectScores, NDArray[np.float64]]:
    """All measurements of a model, and its AP50 in each resample."""
    measured = evaluate(data, found)
    value = _ap50(measured, kind)
    if not math.isfinite(value):
        raise TrainingError(f"The AP50 of the {which} model is not a number; train again and report this.")
    matches = matched(data, found, kind)
    return measured, np.array([matches.ap50(row) for row in times], dtype=np.float64)


def _of_kind(measured: ObjectScores, kind: Kind) -> ObjectScores:
    return measured["masks"] if kind == "segm" else measured


def _ap50(measured: ObjectScores, kind: Kind) -> float:
    return _number(_of_kind(measured, kind)["AP50"])


def _average(measured: ObjectScores, kind: Kind) -> float:
    return _number(_of_kind(measured, kind)["AP"])


def _number(value: float | None) -> float:
    return math.nan if value is None else value


def _resampled(groups: Sequence[str], rng: np.random.Generator, samples: int) -> IntArray:
    """How often each image counts in each resample, `(samples, n)`; images of a group go together."""
    names, member = np.unique(groups, return_inverse=True)
    drawn = rng.multinomial(len(names), np.full(len(names), 1 / len(names)), size=samples)
    return np.asarray(drawn[:, member], dtype=np.int64)


def _percentiles(spread: NDArray[np.float64]) -> list[float] | None:
    known = spread[np.isfinite(spread)]
    if not len(known):
        return None
    tail = 100 * (1 - CONFIDENCE) / 2
    low, high = np.percentile(known, [tail, 100 - tail])
    return [float(low), float(high)]


def _interval(difference: NDArray[np.float64]) -> Interval:
    # A resample without any object says nothing.
    known = difference[np.isfinite(difference)]
    low, high = _percentiles(known) or (0.0, 0.0)
    better = float((known > _TIE).mean() + 0.5 * (np.abs(known) <= _TIE).mean()) if len(known) else 0.5
    return Interval(low, high, CONFIDENCE, better)


def _given_up(
    data: DetectionSet,
    candidate: Sequence[Detections],
    incumbent: Sequence[Detections],
    kind: Kind,
    times: IntArray,
) -> dict[str, list[float]]:
    """Class -> AP50 before and after, where it fell beyond the floor and in nine of ten resamples."""
    after, before = (matched(data, found, kind) for found in (candidate, incumbent))
    counts = data.counts()
    lost = {}
    for number, name in enumerate(data.classes):
        if counts[name] < FEWEST_OF_A_CLASS:
            continue
        new, old = _only(after, number), _only(before, number)
        fell = old.ap50() - new.ap50()
        if fell <= FLOOR:
            continue
        differences = np.array([old.ap50(row) - new.ap50(row) for row in times])
        known = differences[np.isfinite(differences)]
        if len(known) and float((known > 0).mean()) >= CONFIDENCE:
            lost[name] = [float(old.ap50()), float(new.ap50())]
    return lost


def _only(matches: Matches, number: int) -> Matches:
    """The same with the objects of one class alone, so that its AP50 is the mean."""
    objects = np.zeros_like(matches.objects)
    objects[:, number] = matches.objects[:, number]
    return dataclasses.replace(matches, objects=objects)
