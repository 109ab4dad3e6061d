"""How much better a model is than guessing: the number on which `auto` switches."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import SupportsInt

import numpy as np

from strategies.base import Pool, StrategyError

ENOUGH_ITEMS = 30
"""Held-out items under which nothing is claimed of a model."""


@dataclass(frozen=True)
class Competence:
    """A balanced accuracy and what it rests on.

    Attributes:
        score: balanced accuracy in [0, 1].
        items: how many items it was measured on.
        chance: what guessing reaches, 1 / classes.
        source: in words.
        held_out: whether the items were held out from training.
    """

    score: float
    items: int
    chance: float
    source: str
    held_out: bool

    @property
    def is_sure(self) -> bool:
        """Whether the evidence suffices to claim that a model knows something, and not only to act on it."""
        return self.held_out and self.items >= ENOUGH_ITEMS

    @property
    def skill(self) -> float:
        """Skill between guessing (0) and perfect (1): (b - e - chance) / (1 - chance), with b the score and e its
        standard error."""
        error = np.sqrt(max(self.score * (1 - self.score), 0.0) / max(self.items, 1))
        return float((self.score - error - self.chance) / (1 - self.chance))


def reported(measurements: Mapping[str, object], classes: int) -> Competence | None:
    """The competence in the judge's measurements, or None when there are none yet.

    Args:
        measurements: of the serving model on the frozen validation items: `balanced_accuracy` and `items`, at the
            top or under `candidate`.
        classes: how many there are.

    Raises:
        StrategyError: a balanced accuracy that is not a number in [0, 1].
    """
    inner = measurements.get("candidate")
    scores = inner if isinstance(inner, Mapping) else measurements
    score = scores.get("balanced_accuracy")
    items = measurements.get("items", scores.get("items", 0))
    if score is None or not isinstance(items, SupportsInt) or not items:
        return None
    if not isinstance(score, int | float) or not 0 <= score <= 1:
        raise StrategyError(
            f"The measured balanced accuracy is {score!r}, not a number in [0, 1]; judge the model again."
        )
    return Competence(float(score), int(items), 1 / classes, f"on {int(items)} held-out items", True)


def estimated(pool: Pool, classes: int) -> Competence | None:
    """Leave-one-out balanced accuracy of the nearest class mean among the labeled items, or None with too few.

    For projects without validation items: needs two classes with two labels each. Classes with fewer count as missed.
    """
    known = np.flatnonzero(pool.labels >= 0)
    labels = pool.labels[known]
    counts = np.bincount(labels, minlength=classes)
    if np.sum(counts >= 2) < 2:
        return None
    rows = pool.embeddings[known].astype(np.float64)
    sums = np.zeros((classes, rows.shape[1]))
    np.add.at(sums, labels, rows)
    similarity = rows @ (sums / np.maximum(np.linalg.norm(sums, axis=1, keepdims=True), 1e-12)).T
    own = sums[labels] - rows
    similarity[np.arange(len(rows)), labels] = np.einsum(
        "ij,ij->i", rows, own / np.maximum(np.linalg.norm(own, axis=1, keepdims=True), 1e-12)
    )
    similarity[:, counts == 0] = -np.inf
    hit = (similarity.argmax(axis=1) == labels) & (counts[labels] >= 2)
    present = np.flatnonzero(counts)
    recall = [float(hit[labels == index].mean()) for index in present]
    return Competence(
        float(np.mean(recall)), len(known), 1 / len(present), f"leave-one-out on {len(known)} labels", False
    )
