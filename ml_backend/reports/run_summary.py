"""A run as a lead reads it."""

from __future__ import annotations

from typing import TypedDict

from ml_backend.reports.validation_score import validation_score
from ml_backend.state.records import RunRow


class RunSummary(TypedDict):
    """A run in JSON form; scores are in [0, 1], intervals hold their ends, times are unix seconds.

    `macro_f1` and its interval repeat the score where the measure is macro-F1, as earlier versions told it.
    """

    id: int
    project: int
    kind: str
    state: str
    reason: str
    decision: str
    decision_reason: str
    error: str
    progress: float
    message: str
    attempts: int
    next_try_at: float
    labels: int | None
    objects: int | None
    measure: str
    score: float | None
    score_interval: list[float | None] | None
    score_items: int | None
    macro_f1: float | None
    macro_f1_interval: list[float | None] | None
    created_at: float
    finished_at: float | None


def run_summary(run: RunRow) -> RunSummary:
    """A run as a report for the lead; times are Unix seconds."""
    score = validation_score(run)
    interval = [score.low, score.high] if score is not None else None
    return {
        "id": run.id,
        "project": run.project_id,
        "kind": run.kind,
        "state": run.state,
        "reason": run.reason,
        "decision": run.decision,
        "decision_reason": run.decision_reason,
        "error": run.error,
        "progress": run.progress,
        "message": run.message,
        "attempts": run.attempts,
        "next_try_at": run.next_try_at,
        "labels": run.request.labels,
        "objects": run.request.count("objects"),
        "measure": score.measure if score is not None else "",
        "score": score.value if score is not None else None,
        "score_interval": interval,
        "score_items": score.items if score is not None else None,
        "macro_f1": score.value if score is not None and score.measure == "macro-F1" else None,
        "macro_f1_interval": interval if score is not None and score.measure == "macro-F1" else None,
        "created_at": run.created_at,
        "finished_at": run.finished_at,
    }
