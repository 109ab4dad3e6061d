"""Fitting the linear head: balanced logistic regression, and how strongly to regularize it."""

from __future__ import annotations

import warnings
from dataclasses import asdict, dataclass, field

import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import f1_score
from sklearn.model_selection import StratifiedGroupKFold

from training.types import FloatArray, IntArray

DEFAULT_STRENGTH = 3.0
"""Inverse regularization C on embeddings of mean squared length 1.

Best or near it from 20 to 350 labels on three sets of cells and tissue; below 200 labels cross-validation chose no
better.
"""

STRENGTHS = (0.3, 1.0, 3.0, 10.0, 30.0)

MIN_LABELS = 200
"""Fewer labels choose worse than the default does."""

MAX_LABELS = 2000
"""More labels than this are sampled for the choice only."""

CAUTION = 0.02
"""Macro-F1 that another strength must win per factor of ten away from the default."""


@dataclass(frozen=True)
class Choice:
    """A regularization strength and where it came from.

    Attributes:
        strength: inverse regularization C.
        scores: out-of-fold macro-F1 by strength; empty when the default was taken.
        note: how it was chosen, in words.
    """

    strength: float
    scores: dict[str, float] = field(default_factory=dict)
    note: str = ""

    def as_dict(self) -> dict[str, object]:
        """JSON form."""
        return asdict(self)


def choose_strength(embeddings: FloatArray, targets: IntArray, groups: IntArray, *, seed: int) -> Choice:
    """Choose the strength by grouped 5-fold cross-validation, or take the default.

    Args:
        embeddings: `(n, d)`.
        targets: `(n,)` class indices, at least two different.
        groups: `(n,)` equal numbers stay in one fold.
        seed: of the folds.
    """
    n = len(targets)
    if n < MIN_LABELS or len(np.unique(groups)) < 5:
        return Choice(DEFAULT_STRENGTH, note=f"default: {n} labels are too few to choose from")
    if n > MAX_LABELS:
        kept = np.sort(np.random.default_rng(seed).permutation(n)[:MAX_LABELS])
        embeddings, targets, groups = embeddings[kept], targets[kept], groups[kept]
    guesses = _out_of_fold(embeddings, targets, groups, seed)
    seen = guesses[STRENGTHS[0]] >= 0
    if len(np.unique(targets[seen])) < 2:
        return Choice(DEFAULT_STRENGTH, note="default: the groups do not leave two classes to compare")
    scores = {c: float(f1_score(targets[seen], guesses[c][seen], average="macro")) for c in STRENGTHS}
    best = max(STRENGTHS, key=lambda c: scores[c] - CAUTION * abs(np.log10(c / DEFAULT_STRENGTH)))
    named = {f"{c:g}": round(score, 4) for c, score in scores.items()}
    return Choice(best, named, f"grouped cross-validation on {len(targets)} labels")


def fit_linear(
    embeddings: FloatArray, targets: IntArray, classes: int, strength: float
) -> tuple[FloatArray, FloatArray]:
    """Fit on all labels.

    Args:
        embeddings: `(n, d)`.
        targets: `(n,)` class indices, at least two different.
        classes: number of class names.
        strength: inverse regularization C.

    Returns:
        weights `(d, classes)` and bias `(classes,)` float32 for raw embeddings; a class without labels has bias -inf.
    """
    mean, scale = _centre(embeddings)
    model = _regression((embeddings - mean) * scale, targets, strength)
    coefficients, intercept = model.coef_.astype(np.float64), model.intercept_.astype(np.float64)
    if len(model.classes_) == 2:
        coefficients = np.concatenate([-coefficients / 2, coefficients / 2])
        intercept = np.concatenate([-intercept / 2, intercept / 2])
    weights = np.zeros((embeddings.shape[1], classes), dtype=np.float32)
    bias = np.full(classes, -np.inf, dtype=np.float32)
    weights[:, model.classes_] = (coefficients * scale).T
    bias[model.classes_] = intercept - (coefficients * scale) @ mean
    return weights, bias


def _centre(embeddings: FloatArray) -> tuple[FloatArray, float]:
    mean = embeddings.mean(axis=0, dtype=np.float64)
    spread = float(np.square(embeddings - mean).sum(axis=1).mean())
    return mean, 1 / np.sqrt(spread) if spread > 1e-12 else 1.0


def _regression(features: FloatArray, targets: IntArray, strength: float) -> LogisticRegression:
    model = LogisticRegression(C=strength, class_weight="balanced", max_iter=1000)
    with warnings.catch_warnings():
        # A fit stopped at 1000 steps is a fit all the same; a validation set decides whether it serves.
        warnings.simplefilter("ignore", ConvergenceWarning)
        return model.fit(features, targets)


def _out_of_fold(embeddings: FloatArray, targets: IntArray, groups: IntArray, seed: int) -> dict[float, IntArray]:
    """Strength -> predicted class of every item by a model that saw neither it nor its group; -1 where none could."""
    guesses: dict[float, IntArray] = {c: np.full(len(targets), -1, dtype=np.int64) for c in STRENGTHS}
    folds = StratifiedGroupKFold(n_splits=5, shuffle=True, random_state=seed % 2**32)
    with warnings.catch_warnings():
        # Classes with fewer labels than folds are normal here and only make some folds miss them.
        warnings.simplefilter("ignore", UserWarning)
        parts = list(folds.split(embeddings, targets, groups))
    for learn, held in parts:
        if len(np.unique(targets[learn])) < 2 or len(held) == 0:
            continue
        mean, scale = _centre(embeddings[learn])
        known, asked = (embeddings[learn] - mean) * scale, (embeddings[held] - mean) * scale
        for c in STRENGTHS:
            guesses[c][held] = _regression(known, targets[learn], c).predict(asked)
    return guesses
