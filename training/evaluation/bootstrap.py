"""How sure is a difference in macro-F1? A paired bootstrap over groups of items."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from training.types import FloatArray, IntArray

_CHUNK = 250


@dataclass(frozen=True)
class Interval:
    """Spread of candidate minus incumbent over resamples.

    Attributes:
        low: lower end.
        high: upper end.
        confidence: share of resamples between the two.
        probability_better: share of resamples in which the candidate leads; ties count half.
    """

    low: float
    high: float
    confidence: float
    probability_better: float

    def in_words(self) -> str:
        """For a reason shown to people."""
        return f"difference {self.confidence:.0%} between {self.low:+.3f} and {self.high:+.3f}"


def paired_interval(
    truth: IntArray,
    candidate: IntArray,
    incumbent: IntArray,
    classes: int,
    *,
    groups: IntArray | None = None,
    seed: int,
    samples: int = 2000,
    confidence: float = 0.9,
) -> Interval:
    """Percentile interval of the difference in macro-F1; both models see the same resample.

    Args:
        truth: `(n,)` class indices, n at least 1.
        candidate: `(n,)` predicted class indices.
        incumbent: `(n,)` predicted class indices.
        classes: number of classes.
        groups: `(n,)` equal numbers are drawn together.
        seed: of the draws.
        samples: number of resamples.
        confidence: width of the interval.
    """
    names, member = np.unique(np.arange(len(truth)) if groups is None else groups, return_inverse=True)
    rng = np.random.default_rng(seed)
    even = np.full(len(names), 1 / len(names))
    differences = []
    for start in range(0, samples, _CHUNK):
        drawn = rng.multinomial(len(names), even, size=min(_CHUNK, samples - start))
        weights = drawn[:, member].astype(np.float64)
        differences.append(macro_f1(truth, candidate, classes, weights) - macro_f1(truth, incumbent, classes, weights))
    spread = np.concatenate(differences)
    tail = 100 * (1 - confidence) / 2
    low, high = np.percentile(spread, [tail, 100 - tail])
    better = float((spread > 1e-12).mean() + 0.5 * (np.abs(spread) <= 1e-12).mean())
    return Interval(float(low), float(high), confidence, better)


def macro_f1(truth: IntArray, predicted: IntArray, classes: int, weights: FloatArray) -> FloatArray:
    """Macro-F1 `(b,)` under `b` weightings `(b, n)` of the items, over the classes that occur in each."""
    own, called = np.eye(classes)[truth], np.eye(classes)[predicted]
    support, calls, hits = weights @ own, weights @ called, weights @ (own * called)
    f1 = 2 * hits / np.maximum(support + calls, 1e-12)
    present = support > 0
    mean: FloatArray = (f1 * present).sum(axis=1) / np.maximum(present.sum(axis=1), 1)
    return mean
