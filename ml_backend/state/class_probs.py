"""Class probabilities never travel without the names of their classes; other class lists are reached by name."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np

from ml_backend.state.arrays import FloatArray, IntArray


@dataclass(frozen=True)
class ClassProbs:
    """A model's predictions for n items, in the model's own classes.

    Attributes:
        ids: `(n,)` int64 item ids, ascending.
        probs: `(n, classes)` float32.
        classes: names of the columns.
    """

    ids: IntArray
    probs: FloatArray
    classes: tuple[str, ...]

    def over(self, classes: Sequence[str]) -> FloatArray:
        """The same over other classes, see `over_classes`."""
        return over_classes(self.probs, self.classes, classes)


def over_classes(probs: FloatArray, have: Sequence[str], want: Sequence[str]) -> FloatArray:
    """Probabilities over another class list; columns move by name, rows sum to 1.

    A class that the model does not know gets 0. What it gave to a class that is gone says nothing about the others, so
    that share is spread evenly: rescaling would make a certainty of the crumbs that were left.

    Args:
        probs: `(n, have)`; a row with NaN says that the image could not be used, and goes on saying so.
        have: names of its columns.
        want: names of the columns asked for.

    Returns:
        `(n, want)` float32.
    """
    if tuple(have) == tuple(want):
        return probs.astype(np.float32)
    moved = columns_by_name(probs, have, want)
    moved[np.isnan(probs).any(axis=1)] = np.nan
    if set(have) <= set(want) or not want:
        return moved
    gone = np.clip(1 - moved.sum(axis=1, keepdims=True), 0, 1)
    return np.asarray(moved + gone / len(want), dtype=np.float32)


def columns_by_name(probs: FloatArray, have: Sequence[str], want: Sequence[str]) -> FloatArray:
    """Columns moved to where another class list has their names; a class that is not known gets 0.

    Args:
        probs: `(..., have)`; columns after those named by `have` are left out.
        have: names of the columns.
        want: names of the columns asked for.

    Returns:
        `(..., want)` float32.
    """
    columns = {name: column for column, name in enumerate(have)}
    moved = np.zeros((*probs.shape[:-1], len(want)), dtype=np.float32)
    for column, name in enumerate(want):
        if name in columns:
            moved[..., column] = probs[..., columns[name]]
    return moved


def likeliest(classes: Sequence[str], probs: FloatArray, offered: Collection[str]) -> tuple[str, float] | None:
    """A model's prediction for one image: its most probable class, with the probability.

    Args:
        classes: the model's classes.
        probs: `(classes,)`.
        offered: the classes that an annotator can choose now.

    Returns:
        None where there is no answer, or it is a class that is not offered: the second best would be a proposal that
        the model itself does not make.
    """
    if len(probs) != len(classes) or not len(probs) or not np.isfinite(probs).all():
        return None
    best = int(np.argmax(probs))
    if classes[best] not in offered:
        return None
    return classes[best], min(1.0, max(0.0, float(probs[best])))
