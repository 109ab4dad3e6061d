"""Runs from outside their steps: opened, rolled back to, ended, and the pause after failures."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Final

from ml_backend.errors import Conflict, NotFound
from ml_backend.state.files import DataDir
from ml_backend.state.records import RunRow
from ml_backend.state.rows.runs import Asked, RunRows
from ml_backend.state.run_request import Request
from ml_backend.state.store import Store
from training.files import CHECKPOINT, MODEL_FILE, PLAN

log = logging.getLogger(__name__)

FIRST_PAUSE: Final = 300.0
"""Seconds between a failed training run and the next that starts by itself; doubles with each that fails in a row."""

LONGEST_PAUSE: Final = 4 * 3600.0

SKEW: Final = 60.0
"""Seconds by which the clocks of two machines may differ; what lies further in the future was noted by a clock that ran
ahead, and counts as due."""


def request_run(store: Store, project_id: int, *, kind: str, reason: str, now: float) -> RunRow:
    """Open a run, or queue it behind the open one, which is then returned.

    Args:
        store: the database.
        project_id: Label Studio's project id.
        kind: "train" for all steps, "rank" for a new order from the model that is active.
        reason: why, in words; a lead reads it.
        now: unix seconds.
    """
    run, is_it = store.runs.ask(project_id, _asked(store, project_id, kind, reason), now)
    words = "includes" if is_it else "is followed by"
    log.info("run %d of project %d %s a request: %s", run.id, project_id, words, reason)
    return run


def open_wished_run(store: Store, project_id: int, now: float) -> RunRow | None:
    """Open the requested run once no other is open; None if there is nothing to open."""
    if store.runs.wish(project_id) is None:
        return None
    seed, change = store.projects.settings(project_id).seed, store.labels.last_change(project_id)
    opened = store.runs.open_wished(project_id, seed, change, now)
    if opened is not None:
        log.info("run %d of project %d opened, as requested: %s", opened.id, project_id, opened.reason)
    return opened


def _asked(store: Store, project_id: int, kind: str, reason: str, request: Request | None = None) -> Asked:
    seed, change = store.projects.settings(project_id).seed, store.labels.last_change(project_id)
    return Asked(kind, reason, seed, change, request or Request())


def run_of(runs: RunRows, project_id: int, run_id: int) -> RunRow:
    """One run of a project.

    Raises:
        NotFound: the project has no such run.
    """
    run = runs.one(run_id)
    if run.project_id != project_id:
        raise NotFound(
            f"Project {project_id} has no run {run_id}; `paploop runs {project_id}` lists them.",
            code="run.unknown",
            project=project_id,
            run=run_id,
        )
    return run


def rollback(store: Store, files: DataDir, project_id: int, run_id: int, now: float) -> RunRow:
    """Make an earlier model the active one and publish its predictions and order.

    An open run is ended: the lead has just said that its incumbent is not wanted. Between its end and the start of the
    new one no other can slip in.

    Raises:
        NotFound: no such run in this project.
        Conflict: no roll-back to that run is possible; see `why_no_rollback`.
    """
    target = run_of(store.runs, project_id, run_id)
    obstacle = why_no_rollback(files, target)
    if obstacle:
        raise Conflict(obstacle, code="run.no_rollback", run=run_id)
    reason = f"Roll-back to the model of run {run_id}."
    asked = _asked(store, project_id, "rank", reason, Request(model_run=run_id))
    return store.runs.replace_open(project_id, f"Ended by a roll-back to run {run_id}.", asked, now)


def why_no_rollback(files: DataDir, run: RunRow) -> str:
    """Why the model of a run cannot be made the active one again, in words; empty where it can."""
    if run.decision != "promoted":
        return f"Run {run.id} has no promoted model. Choose one that `paploop runs {run.project_id}` shows as promoted."
    if run.is_open:
        return f"Run {run.id} is still publishing its model; wait until it has finished, or choose another run."
    if not has_model(files, run.id):
        return f"The model of run {run.id} is missing, so nothing was rolled back. Choose another run."
    return ""


def fail(runs: RunRows, run_id: int, reason: str, now: float) -> None:
    """End an open run with a readable reason; labels and the active model stay as they are."""
    if runs.end(run_id, reason, now):
        log.error("run %d failed: %s", run_id, reason)


def has_model(files: DataDir, run_id: int) -> bool:
    """Whether the files of a run's model exist; loads nothing, so a web process can ask."""
    folder = files.run_dir(run_id) / CHECKPOINT
    return any((folder / name).is_file() for name in (MODEL_FILE, PLAN))


def is_over(then: float, now: float, longest: float) -> bool:
    """Whether a time has been reached; one further away than the longest wait comes from another clock and counts as
    reached."""
    return then <= now or then > now + longest


def paused_until(failed: Sequence[RunRow], now: float) -> float | None:
    """When the next automatic run may start after failures, Unix seconds; None = now.

    Args:
        failed: training runs that failed since one that did not, newest first.
        now: unix seconds.
    """
    if not failed or failed[0].finished_at is None:
        return None
    pause = min(LONGEST_PAUSE, FIRST_PAUSE * 2.0 ** (len(failed) - 1))
    until = failed[0].finished_at + pause
    return None if is_over(until, now, pause + SKEW) else until


def is_paused(runs: RunRows, project_id: int, kinds: Sequence[str] = ("train",), *, now: float) -> bool:
    """Whether automatic runs of these kinds are paused after failures."""
    failed = runs.failed_in_a_row(project_id, kinds=kinds)
    return paused_until(failed, now) is not None
