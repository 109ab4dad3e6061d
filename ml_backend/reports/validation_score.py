"""How good a run's model was on validation, with an interval, from what the judge stored: macro-F1, or AP50."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

import numpy as np

from ml_backend.state.free_form import whole
from ml_backend.state.records import RunRow

RESAMPLES: Final = 400
CONFIDENCE: Final = 0.9
MIN_ITEMS: Final = 2
ENOUGH_ITEMS: Final = 30
"""Held-out items under which nothing is claimed of a model."""
CURVE: Final = "curve"
"""Where the judgement of a run holds the scores of all models on its validation items."""

Confusion = tuple[tuple[int, ...], ...]


@dataclass(frozen=True)
class ValidationScore:
    """A measurement in [0, 1] and the ends of its interval, None where there is too little to tell.

    Attributes:
        value: the measurement.
        low: lower end.
        high: upper end.
        measure: "macro-F1" of a classifier, "AP50" of a detector.
        items: how many validation items it rests on, None where that is not known.
    """

    value: float
    low: float | None
    high: float | None
    measure: str = "macro-F1"
    items: int | None = None


@dataclass(frozen=True)
class Comparison:
    """Models measured on the same validation set; only these may form one curve or be compared in words.

    Attributes:
        items: how many items the scores rest on.
        measure: what they are.
        scores: run -> score of its model.
    """

    items: int
    measure: str
    scores: Mapping[int, ValidationScore]

    @property
    def caution(self) -> str:
        """A caution for the reader; empty if there are enough items."""
        if self.items >= ENOUGH_ITEMS:
            return ""
        return (
            f"{self.items} held-out images are too few to say how good a model is; at least {ENOUGH_ITEMS} are needed."
        )


def comparison(runs: Iterable[RunRow]) -> Comparison | None:
    """The models of a project on the current validation set, as the latest judge measured them.

    Args:
        runs: newest first.
    """
    for run in runs:
        own = validation_score(run)
        if own is None:
            continue
        judged = run.metrics.judgement
        kept = judged.get(CURVE)
        scores = {run.id: own}
        if isinstance(kept, Mapping) and isinstance(kept.get("scores"), Mapping):
            scores |= _again(kept["scores"], own.measure)
        return Comparison(own.items or 0, own.measure, scores)
    return None


def _again(kept: Mapping[str, object], measure: str) -> dict[int, ValidationScore]:
    found = {}
    for number, ends in kept.items():
        value, low, high = (_number(end) for end in ends) if isinstance(ends, list) and len(ends) == 3 else [None] * 3
        if number.isdigit() and value is not None:
            found[int(number)] = ValidationScore(value, low, high, measure)
    return found


def validation_score(run: RunRow) -> ValidationScore | None:
    """The score of the model that a run trained; None when it was not judged on any item."""
    judged = run.metrics.judgement
    measured = judged.get("candidate")
    if not isinstance(measured, Mapping):
        return None
    if "AP50" in measured:
        return _detector_score(judged, measured)
    value = _number(measured.get("macro_f1"))
    if value is None:
        return None
    confusion = _confusion(measured.get("confusion"))
    low, high = macro_f1_interval(confusion) if confusion is not None else (None, None)
    return ValidationScore(value, low, high, items=whole(judged.get("items") or _total(confusion)))


def _detector_score(judged: Mapping[str, object], measured: Mapping[str, object]) -> ValidationScore | None:
    """AP50 of what the judge went by: outlines, or boxes."""
    outlines = measured.get("masks") if judged.get("measure") == "AP50 of outlines" else None
    value = _number((outlines if isinstance(outlines, Mapping) else measured).get("AP50"))
    ends = judged.get("candidate_interval")
    low, high = (_number(end) for end in ends) if isinstance(ends, list) and len(ends) == 2 else (None, None)
    return None if value is None else ValidationScore(value, low, high, "AP50", whole(judged.get("images")))


@lru_cache(maxsize=1024)
def macro_f1_interval(confusion: Confusion) -> tuple[float | None, float | None]:
    """Percentile interval of macro-F1 over resampled items.

    Efron (1979), Bootstrap Methods: Another Look at the Jackknife, doi:10.1214/aos/1176344552. Items are drawn one by
    one from the confusion matrix, which is all that is stored of them; where images of one slide agree the true
    interval is wider.

    Args:
        confusion: `(c, c)` counts, rows true, columns predicted.
    """
    counts = np.asarray(confusion, dtype=np.float64)
    total = int(counts.sum())
    if total < MIN_ITEMS:
        return None, None
    size = counts.shape[0]
    rng = np.random.default_rng(0)
    drawn = rng.multinomial(total, counts.ravel() / counts.sum(), size=RESAMPLES).reshape(-1, size, size)
    hits = np.diagonal(drawn, axis1=1, axis2=2)
    support, calls = drawn.sum(axis=2), drawn.sum(axis=1)
    f1 = 2 * hits / np.maximum(support + calls, 1)
    present = support > 0
    scores = (f1 * present).sum(axis=1) / np.maximum(present.sum(axis=1), 1)
    tail = 100 * (1 - CONFIDENCE) / 2
    low, high = np.percentile(scores, [tail, 100 - tail])
    return float(low), float(high)


def _confusion(value: object) -> Confusion | None:
    if not isinstance(value, list) or not value:
        return None
    square = all(isinstance(row, list) and len(row) == len(value) for row in value)
    if not square or not all(isinstance(count, int) and count >= 0 for row in value for count in row):
        return None
    return tuple(tuple(row) for row in value)


def _total(confusion: Confusion | None) -> int | None:
    return None if confusion is None else sum(map(sum, confusion))


def _number(value: object) -> float | None:
    if not isinstance(value, int | float) or isinstance(value, bool) or not math.isfinite(value):
        return None
    return float(value)
