"""Measures of class distributions: pure functions on the last axis."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Float32 = NDArray[np.float32]
TINY = np.float32(1e-30)


def consensus(probs: Float32) -> Float32:
    """Mean distribution of the members: `(members, r, c)` -> `(r, c)`."""
    return probs[0] if len(probs) == 1 else np.asarray(probs.mean(axis=0), dtype=np.float32)


def entropy(probs: Float32) -> Float32:
    """Shannon entropy in nats, `(..., c)` -> `(...)`; 0 log 0 = 0.

    Example:
        >>> float(entropy(np.array([[0.5, 0.5]], np.float32))[0])
        0.6931471824645996
    """
    logs = np.log(np.maximum(probs, TINY))
    return np.asarray(np.maximum(-np.einsum("...c,...c->...", probs, logs), 0), dtype=np.float32)


def normalised_entropy(probs: Float32) -> Float32:
    """Entropy divided by the log of the number of classes, in [0, 1]; 0 for one class."""
    classes = probs.shape[-1]
    return entropy(probs) / np.float32(np.log(classes)) if classes > 1 else np.zeros(probs.shape[:-1], np.float32)


def top_two(probs: Float32) -> tuple[Float32, Float32]:
    """Largest and second largest probability, `(r, c)` -> two `(r,)`; the second is 0 for one class.

    Works class by class on a transposed copy: sorting rows costs ten times as much.
    """
    columns = np.ascontiguousarray(probs.T)
    first = columns[0].copy()
    second = np.zeros_like(first)
    lower = np.empty_like(first)
    for column in columns[1:]:
        np.minimum(first, column, out=lower)
        np.maximum(second, lower, out=second)
        np.maximum(first, column, out=first)
    return first, second
