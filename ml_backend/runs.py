"""The run state machine: prepare -> train -> judge -> publish -> done, each step committed, any step repeatable."""

from __future__ import annotations

import errno
import logging
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from typing import Any, Final

from ml_backend.errors import Conflict, NotFound, PapLoopError, Unavailable
from ml_backend.services import Services
from ml_backend.state.records import RunRow
from ml_backend.state.tables import OPEN_STATES
from ml_backend.steps.judge import judge
from ml_backend.steps.prepare import prepare
from ml_backend.steps.publish import publish
from ml_backend.steps.train import train
from strategies.base import StrategyError
from training.types import TrainingError

log = logging.getLogger(__name__)

Step = Callable[[Services, RunRow], tuple[str, Mapping[str, Any]]]
"""Does the work of one state and answers the next state with the columns to set."""

STEPS: Final[Mapping[str, Step]] = {"prepare": prepare, "train": train, "judge": judge, "publish": publish}


def project_lock(project_id: int) -> str:
    """Name of the lock that the one process working on a project holds."""
    return f"project-{project_id:06d}"


def request_run(services: Services, project_id: int, *, kind: str, reason: str) -> RunRow:
    """Open a run, or answer the one that is open already.

    Args:
        services: the parts of the process.
        project_id: Label Studio's project id.
        kind: "train" for all steps, "rank" for a new order from the model that is active.
        reason: why, in words; a lead reads it.
    """
    store = services.store
    project_settings = store.settings(project_id)
    opened = store.open_run(
        project_id,
        kind=kind,
        reason=reason,
        seed=project_settings.seed,
        change=store.last_change(project_id),
        now=services.clock(),
    )
    if opened is not None:
        log.info("run %d of project %d opened: %s", opened.id, project_id, reason)
        return opened
    present = store.open_run_of(project_id)
    return present if present is not None else request_run(services, project_id, kind=kind, reason=reason)


def rollback(services: Services, project_id: int, run_id: int) -> RunRow:
    """Make an earlier model the active one and publish its predictions and order.

    An open run is ended: the lead has just said that its incumbent is not wanted.

    Raises:
        NotFound: no such run in this project.
        Conflict: that run never gave a model that was promoted.
    """
    store = services.store
    target = store.run(run_id)
    if target.project_id != project_id:
        raise NotFound(f"Project {project_id} has no run {run_id}; `paploop runs {project_id}` lists them.")
    if target.decision != "promoted":
        raise Conflict(
            f"Run {run_id} has no promoted model; choose one that `paploop runs {project_id}` shows as promoted."
        )
    present = store.open_run_of(project_id)
    if present is not None:
        fail(services, present.id, f"Ended by a roll-back to run {run_id}.")
    run = request_run(services, project_id, kind="rank", reason=f"Roll-back to the model of run {run_id}.")
    store.update_run(run.id, request={**run.request, "model_run": run_id})
    return store.run(run.id)


def fail(services: Services, run_id: int, reason: str) -> None:
    """End a run with a readable reason; labels and the active model stay as they are."""
    services.store.update_run(run_id, state="failed", error=reason, finished_at=services.clock())
    log.error("run %d failed: %s", run_id, reason)


def execute(services: Services, run_id: int) -> RunRow:
    """Walk a run until it is done, has failed, or must wait for something outside.

    Only one process works on a project at a time; a second one returns at once.
    """
    store = services.store
    run = store.run(run_id)
    with ExitStack() as stack:
        try:
            stack.enter_context(services.files.lock(project_lock(run.project_id), wait=False))
        except Conflict:
            return run
        while (run := store.run(run_id)).state in OPEN_STATES:
            if run.attempts >= services.settings.retry_attempts:
                last = f" The last problem: {run.message}" if run.message else ""
                fail(services, run_id, f"The step {run.state} did not finish in {run.attempts} attempts.{last}")
                break
            store.update_run(run_id, attempts=run.attempts + 1)
            if not _attempt(services, store.run(run_id)):
                break
    return store.run(run_id)


def _attempt(services: Services, run: RunRow) -> bool:
    """One attempt at the present step; True when the run may go on at once."""
    try:
        following, fields = STEPS[run.state](services, run)
        ended = {"finished_at": services.clock()} if following == "done" else {}
        reset = {"attempts": 0, "next_try_at": 0.0, **ended}
        services.store.advance_run(run.id, run.state, following, **{**reset, **fields})
        log.info("run %d: %s finished", run.id, run.state)
        return True
    except Conflict as error:
        log.warning("run %d: %s", run.id, error)
        return False
    except Unavailable as error:
        wait = services.settings.retry_base * 2 ** (run.attempts - 1)
        services.store.update_run(run.id, next_try_at=services.clock() + wait, message=f"Waiting {wait:g} s: {error}")
        log.warning("run %d: %s; next attempt in %g s", run.id, error, wait)
        return False
    except (PapLoopError, TrainingError, StrategyError) as error:
        fail(services, run.id, str(error))
    except OSError as error:
        fail(services, run.id, _system_error(error))
    except Exception as error:
        log.exception("run %d: unexpected error in %s", run.id, run.state)
        fail(
            services,
            run.id,
            f"Unexpected {type(error).__name__} in {run.state}: {error}. Please report it with the log.",
        )
    return False


def _system_error(error: OSError) -> str:
    if error.errno == errno.ENOSPC:
        return "The disk is full; free some space below the data directory and start the run again."
    return f"The file system refused: {error.strerror or error} ({error.filename}); mend it and start the run again."
