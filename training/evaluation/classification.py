"""Classification quality on one set: macro-F1, balanced accuracy, accuracy, and what happens class by class."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypedDict

import numpy as np

from training.types import FloatArray, IntArray, TrainingError


class OneClass(TypedDict):
    """How one class fares; None where a number is undefined.

    Attributes:
        precision: share of the items put into it that belong there.
        recall: share of its items that were put into it.
        f1: harmonic mean of both.
        support: its items.
    """

    precision: float | None
    recall: float | None
    f1: float | None
    support: int


class ClassScores(TypedDict):
    """Measurements of a classifier on one set, as they go into JSON.

    Attributes:
        items: how many.
        macro_f1: mean F1 over the classes that occur.
        balanced_accuracy: mean recall over these.
        accuracy: share of right answers.
        log_loss: nats.
        balanced_log_loss: the same, each class that occurs weighing alike.
        per_class: by name.
        confusion: rows true, columns predicted.
    """

    items: int
    macro_f1: float
    balanced_accuracy: float
    accuracy: float
    log_loss: float
    balanced_log_loss: float
    per_class: dict[str, OneClass]
    confusion: list[list[int]]


def check_probabilities(truth: IntArray, probs: FloatArray, classes: Sequence[str], who: str) -> None:
    """Refuse inputs that would make a measurement meaningless.

    Args:
        truth: `(n,)` class indices.
        probs: `(n, c)`.
        classes: c names.
        who: what the message calls the model.

    Raises:
        TrainingError: wrong shape, an index out of range, or rows that are not probabilities.
    """
    n, c = len(truth), len(classes)
    if truth.ndim != 1 or not np.issubdtype(truth.dtype, np.integer):
        raise TrainingError(
            f"The true classes must be one integer per item, not {truth.dtype} {truth.shape}; export them again."
        )
    if probs.shape != (n, c):
        raise TrainingError(
            f"The {who} returned predictions of shape {probs.shape} instead of {(n, c)}. Predict again."
        )
    if n and (truth.min() < 0 or truth.max() >= c):
        raise TrainingError(f"A true class index is outside 0..{c - 1}; the class list does not match these labels.")
    bad = ~np.isfinite(probs).all(axis=1) | (probs < -1e-6).any(axis=1) | (np.abs(probs.sum(axis=1) - 1) > 1e-3)
    if bad.any():
        row = int(np.flatnonzero(bad)[0])
        raise TrainingError(
            f"The {who}'s prediction for item {row} is not a probability distribution ({probs[row].tolist()}), "
            "so the model is not judged. Train it again."
        )


def evaluate(truth: IntArray, probs: FloatArray, classes: Sequence[str]) -> ClassScores:
    """Measure predictions against the truth.

    Macro-F1 and balanced accuracy are means over the classes that occur in `truth`; items put into any other class
    count against the class they belong to.

    Args:
        truth: `(n,)` class indices, n at least 1.
        probs: `(n, c)` rows sum to 1.
        classes: c names.

    Raises:
        TrainingError: no item, or predictions that are not probabilities.
    """
    # Imported late: a web process that only serves stored predictions must not pay for scikit-learn.
    from sklearn.metrics import confusion_matrix, precision_recall_fscore_support

    check_probabilities(truth, probs, classes, "model")
    if len(truth) == 0:
        raise TrainingError("There is no labeled item to measure on; label some validation images.")
    predicted = probs.argmax(axis=1)
    every = np.arange(len(classes))
    precision, recall, f1, support = precision_recall_fscore_support(truth, predicted, labels=every, zero_division=0.0)
    confusion = confusion_matrix(truth, predicted, labels=every)
    present, called = support > 0, confusion.sum(axis=0) > 0
    per_class: dict[str, OneClass] = {
        name: {
            "precision": float(precision[i]) if called[i] else None,
            "recall": float(recall[i]) if present[i] else None,
            "f1": float(f1[i]) if present[i] else None,
            "support": int(support[i]),
        }
        for i, name in enumerate(classes)
    }
    return {
        "items": len(truth),
        "macro_f1": float(f1[present].mean()),
        "balanced_accuracy": float(recall[present].mean()),
        "accuracy": float((predicted == truth).mean()),
        "log_loss": log_loss(truth, probs),
        "balanced_log_loss": balanced_log_loss(truth, probs),
        "per_class": per_class,
        "confusion": confusion.tolist(),
    }


def log_loss(truth: IntArray, probs: FloatArray) -> float:
    """Mean negative log-likelihood in nats; a probability counts as at least 1e-3, so that one item cannot decide."""
    return float(_surprise(truth, probs).mean())


def balanced_log_loss(truth: IntArray, probs: FloatArray) -> float:
    """The same averaged per class first, so that every class that occurs weighs alike."""
    surprise = _surprise(truth, probs)
    return float(np.mean([surprise[truth == index].mean() for index in np.unique(truth)]))


def _surprise(truth: IntArray, probs: FloatArray) -> FloatArray:
    chosen = probs[np.arange(len(truth)), truth].astype(np.float64)
    return np.asarray(-np.log(np.clip(chosen, 1e-3, 1.0)))
