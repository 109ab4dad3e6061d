"""The model of a replay: logistic regression on the leading components of the embeddings, in milliseconds."""

from __future__ import annotations

import warnings
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression

from strategies.base import FloatArray, IntArray

COMPONENTS = 128
STRENGTH = 10.0
"""Inverse regularization on features of mean squared length 1."""


@dataclass(frozen=True)
class Projection:
    """Principal components of a pool, fitted without labels."""

    mean: NDArray[np.float32]
    axes: NDArray[np.float32]
    scale: float

    @classmethod
    def of(cls, vectors: FloatArray) -> Projection:
        """Fit to `(n, d)` vectors; at most 128 components, scaled to mean squared length 1."""
        rows = np.asarray(vectors, dtype=np.float32)
        mean = rows.mean(axis=0)
        axes = np.linalg.svd(rows - mean, full_matrices=False)[2][:COMPONENTS]
        length = float(np.mean(np.sum(((rows - mean) @ axes.T) ** 2, axis=1)))
        return cls(mean, np.asarray(axes, dtype=np.float32), 1.0 / np.sqrt(max(length, 1e-12)))

    def __call__(self, vectors: FloatArray) -> FloatArray:
        """`(n, components)` features."""
        return np.asarray(((np.asarray(vectors, dtype=np.float32) - self.mean) @ self.axes.T) * self.scale)


def probabilities(features: FloatArray, labels: IntArray, asked: FloatArray, classes: int) -> NDArray[np.float32]:
    """Train on `(l, k)` features and predict `(n, k)`; a class without a label has probability 0, one class has 1.

    Args:
        features: of the labeled images.
        labels: `(l,)` class indices, at least one.
        asked: of the images to predict.
        classes: how many there are.

    Returns:
        `(n, classes)` float32.
    """
    out = np.zeros((len(asked), classes), dtype=np.float32)
    present = np.unique(labels)
    if len(present) == 1:
        out[:, present[0]] = 1
        return out
    head = LogisticRegression(C=STRENGTH, class_weight="balanced", max_iter=500, tol=1e-3)
    with warnings.catch_warnings():
        # Few labels of many classes are the beginning of every replay, and a fit stopped early is a fit all the same.
        warnings.simplefilter("ignore", UserWarning)
        head.fit(features, labels)
    out[:, head.classes_] = head.predict_proba(asked)
    return np.asarray(out / out.sum(axis=1, keepdims=True))
