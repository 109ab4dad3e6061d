"""Runs on the command line: waiting for one, showing one, listing many."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from ml_backend.cli._answer import print_facts, print_json, print_table, progress_bar, when
from ml_backend.errors import PapLoopError

if TYPE_CHECKING:
    from ml_backend.services import Services
    from ml_backend.state.records import RunRow

Wait = Annotated[bool, typer.Option("--wait", help="Wait until the run has ended.")]
POLL_SECONDS = 0.5


def followed(services: Services, run: RunRow, wait: bool) -> RunRow:
    """The run as it is now, or, when asked to wait, as it ended.

    Raises:
        PapLoopError: it failed; the message is the run's reason.
    """
    from ml_backend.state.tables import OPEN_STATES

    if not wait:
        return run
    with progress_bar(f"run {run.id}") as report:
        while (run := services.store.run(run.id)).state in OPEN_STATES:
            report(run.progress, f"run {run.id}: {run.state} {run.message}".strip())
            time.sleep(POLL_SECONDS)
    if run.state == "failed":
        raise PapLoopError(f"Run {run.id} failed: {run.error}")
    return run


def answer_run(run: RunRow, as_json: bool) -> None:
    """Show one run."""
    if as_json:
        print_json(asdict(run))
        return
    facts = {
        "run": run.id,
        "project": run.project_id,
        "kind": run.kind,
        "state": run.state,
        "why it started": run.reason,
        "decision": f"{run.decision} {run.decision_reason}".strip(),
        "message": run.error or run.message,
        "started": when(run.created_at),
        "ended": when(run.finished_at),
    }
    print_facts({name: value for name, value in facts.items() if value not in ("", None)})


def print_runs(runs: Sequence[RunRow]) -> None:
    """A table of runs, newest first."""
    columns = ("run", "kind", "state", "decision", "macro-F1", "started", "why it started", "outcome")
    rows = [
        (
            run.id,
            run.kind,
            run.state,
            run.decision,
            macro_f1(run),
            when(run.created_at),
            run.reason,
            run.error or run.decision_reason or run.message,
        )
        for run in runs
    ]
    print_table(columns, rows)


def macro_f1(run: RunRow) -> str:
    """Macro-F1 on validation with three digits, empty when the run has none."""
    value = run.metrics.get("macro_f1")
    return f"{value:.3f}" if isinstance(value, float | int) else ""
