"""Predictions as Label Studio takes them: in the answer of `/predict`, and imported in bulk."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypedDict

from ml_backend.label_studio.regions import Result


class Prediction(TypedDict):
    """What Label Studio stores for a task; `score` is the place in the order, 0 = label first."""

    model_version: str
    score: float
    result: list[Result]


class TaskPrediction(Prediction):
    """A prediction that names its task."""

    task: int | None


def prediction(version: str, score: float, results: Sequence[Result]) -> Prediction:
    """A prediction for a task that the call names."""
    return {"model_version": version, "score": score, "result": list(results)}


def task_prediction(task: int | None, version: str, score: float, results: Sequence[Result]) -> TaskPrediction:
    """A prediction to import; a list of results must be there, be it empty, or Label Studio drops it unsaid."""
    return {"task": task, "model_version": version, "score": score, "result": list(results)}
