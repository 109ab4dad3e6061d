"""What a step of a run returns: where the run goes next, and what its row takes from it."""

from __future__ import annotations

from dataclasses import dataclass, fields

from ml_backend.state.run_metrics import Metrics
from ml_backend.state.run_request import Request


@dataclass(frozen=True)
class StepResult:
    """The end of a step; fields are columns of the run, and None leaves a column as it is.

    Attributes:
        following: the next state.
        change: number of the latest change of labels that the run includes.
        request: what the run uses.
        metrics: measurements of all steps so far.
        decision: "promoted" or "kept".
        decision_reason: why, in words.
        progress: share of the run that is done.
        message: what was done, in words.
    """

    following: str
    change: int | None = None
    request: Request | None = None
    metrics: Metrics | None = None
    decision: str | None = None
    decision_reason: str | None = None
    progress: float | None = None
    message: str | None = None

    def columns(self) -> dict[str, object]:
        """The columns to set."""
        named = {each.name: getattr(self, each.name) for each in fields(self) if each.name != "following"}
        return {name: value for name, value in named.items() if value is not None}
