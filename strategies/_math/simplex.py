"""Measures of class distributions: pure functions on the last axis."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from strategies._math.scratch import scratch

Float32 = NDArray[np.float32]
TINY = np.float32(1e-30)
SUM_TOLERANCE = 1e-2
LEAST = -1e-6
PIECE = 8192
"""Numbers in a product that BLAS works out on one thread."""


def row_sums(rows: NDArray[np.floating], weight: float = 1.0) -> NDArray[np.floating]:
    """Sum of each row `(r, c)` times a weight, `(r,)`.

    A stack of small products: of large ones, BLAS would wake threads of its own in each thread of ours.
    """
    count, classes = rows.shape
    weights = np.full(classes, weight, dtype=rows.dtype)
    piece = max(1, PIECE // max(1, classes))
    whole = count - count % piece
    out = np.empty(count, dtype=rows.dtype)
    np.matmul(rows[:whole].reshape(-1, piece, classes), weights, out=out[:whole].reshape(-1, piece))
    np.matmul(rows[whole:], weights, out=out[whole:])
    return out


def first_bad(rows: NDArray[np.floating]) -> int | None:
    """The first of the rows `(r, c)` that is negative, NaN or does not sum to 1, or None."""
    if not rows.size:
        return None
    sums = row_sums(rows)
    if sums.max() <= 1 + SUM_TOLERANCE and sums.min() >= 1 - SUM_TOLERANCE and rows.min() >= LEAST:
        return None
    good = (np.abs(sums - 1.0) <= SUM_TOLERANCE) & (rows.min(axis=1) >= LEAST)
    return None if good.all() else int(good.argmin())


def consensus(probs: Float32) -> Float32:
    """Mean distribution of the members: `(members, r, c)` -> `(r, c)`."""
    return probs[0] if len(probs) == 1 else np.asarray(probs.mean(axis=0), dtype=np.float32)


def natural_log(values: Float32, out: Float32) -> Float32:
    """Logarithm, -inf of 0; OpenCV's is four times as fast as numpy's without AVX-512, and as exact."""
    if values.size:
        import cv2  # the web process ranks nothing and stays small

        cv2.log(np.ascontiguousarray(values).reshape(1, -1), dst=out.reshape(1, -1))
    return out


def entropy(probs: Float32) -> Float32:
    """Shannon entropy in nats, `(..., c)` -> `(...)`; 0 log 0 = 0.

    Example:
        >>> round(float(entropy(np.array([[0.5, 0.5]], np.float32))[0]), 4)
        0.6931
    """
    sums = _products(probs, probs)
    if np.isnan(sums).any():
        # 0 log 0 came out as NaN; only then the probabilities are read once more.
        sums = _products(probs, np.maximum(probs, TINY))
    return np.maximum(-sums, np.float32(0), out=sums).reshape(probs.shape[:-1])


def _products(probs: Float32, inside: Float32) -> Float32:
    """Sum of p log q over the classes, of flattened rows."""
    terms = natural_log(inside, scratch("terms", probs.shape))
    with np.errstate(invalid="ignore"):
        terms *= probs
    return np.asarray(row_sums(terms.reshape(-1, probs.shape[-1])), dtype=np.float32)


def normalised_entropy(probs: Float32) -> Float32:
    """Entropy divided by the log of the number of classes, in [0, 1]; 0 for one class."""
    classes = probs.shape[-1]
    return entropy(probs) / np.float32(np.log(classes)) if classes > 1 else np.zeros(probs.shape[:-1], np.float32)


def planes(probs: Float32) -> Float32:
    """`(r, c)` -> `(c, r)` scratch: comparing class by class is ten times as fast as within short rows."""
    out = scratch("planes", probs.shape[::-1])
    if probs.size:
        import cv2

        cv2.transpose(np.ascontiguousarray(probs), dst=out)
    return out


def largest(probs: Float32) -> Float32:
    """Largest probability, `(r, c)` -> `(r,)`."""
    return np.asarray(planes(probs).max(axis=0))


def top_two(probs: Float32) -> tuple[Float32, Float32]:
    """Largest and second largest probability, `(r, c)` -> two `(r,)`; the second is 0 for one class.

    A knockout: each round compares one half of the classes with the other; whoever loses may still be second.
    """
    winners = planes(probs)
    second = np.zeros(len(probs), dtype=np.float32)
    while len(winners) > 1:
        half = len(winners) // 2
        left, right = winners[:half], winners[half : 2 * half]
        losers = np.minimum(left, right, out=scratch("losers", left.shape))
        np.maximum(left, right, out=left)
        if len(winners) % 2:
            odd = winners[-1]
            np.maximum(second, np.minimum(left[0], odd), out=second)
            np.maximum(left[0], odd, out=left[0])
        np.maximum(second, losers.max(axis=0), out=second)
        winners = left
    return winners[0].copy(), second
