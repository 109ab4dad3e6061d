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
    from ml_backend.reports.run_summary import RunSummary
    from ml_backend.state.records import RunRow
    from ml_backend.state.store import Store

Wait = Annotated[bool, typer.Option("--wait", help="Wait until the run has ended.")]
POLL_SECONDS = 0.5


def followed(store: Store, run: RunRow, wait: bool) -> RunRow:
    """The current state of the run or, if asked to wait, its final state; also waits for runs requested meanwhile.

    Raises:
        PapLoopError: it failed; the message is the run's reason.
    """
    if not wait:
        return run
    follows = False
    with progress_bar(f"Run {run.id}") as report:
        while True:
            # The wish first: it is gone once the run that it asked for is there.
            follows = store.runs.wish(run.project_id) is not None or follows
            run = store.runs.one(run.id)
            if not run.is_open and not follows:
                break
            newest = store.runs.latest(run.project_id, limit=1)[0]
            if not run.is_open and newest.id != run.id:
                run, follows = newest, False
            report(run.progress, f"run {run.id}: {run.state} {run.message}".strip())
            time.sleep(POLL_SECONDS)
    if run.state == "failed":
        raise PapLoopError(f"Run {run.id} failed: {run.error}")
    return run


def answer_run(run: RunRow, as_json: bool) -> None:
    """Show one run; JSON holds its request and metrics too."""
    from ml_backend.reports.run_summary import run_summary

    if as_json:
        stored = {"request": run.request.as_dict(), "metrics": run.metrics.as_dict()}
        print_json({**asdict(run), **stored, **run_summary(run)})
        return
    facts = {name.replace("_", " "): value for name, value in _readable(run_summary(run)).items()}
    print_facts({name: value for name, value in facts.items() if value not in ("", None, 0)})


def _readable(summary: RunSummary) -> dict[str, object]:
    times = {
        "created_at": when(summary["created_at"]),
        "finished_at": when(summary["finished_at"]),
        "next_try_at": when(summary["next_try_at"]),
    }
    shown = {
        "score": score(summary),
        **dict.fromkeys(("score_interval", "score_items", "macro_f1", "macro_f1_interval")),
    }
    return {**summary, **times, **shown}


def score(summary: RunSummary) -> str:
    """The score of the run's model, its interval and the number of validation items; empty if the run has none."""
    value, interval, items = summary["score"], summary["score_interval"], summary["score_items"]
    if value is None:
        return ""
    on = f" on {items}" if items is not None else ""
    if interval is None or None in interval:
        return f"{value:.3f}{on}"
    return f"{value:.3f} ({interval[0]:.3f} to {interval[1]:.3f}){on}"


def _measured(run: RunSummary) -> str:
    return f"{run['measure']} {score(run)}" if run["measure"] else ""


def print_runs(summaries: Sequence[RunSummary]) -> None:
    """A table of runs, newest first."""
    columns = ("run", "kind", "state", "decision", "labels", "score", "started", "reason", "outcome")
    rows = [
        (
            run["id"],
            run["kind"],
            run["state"],
            run["decision"],
            run["labels"],
            _measured(run),
            when(run["created_at"]),
            run["reason"],
            run["error"] or run["decision_reason"] or run["message"],
        )
        for run in summaries
    ]
    print_table(columns, rows)
