"""The run state machine: each step is committed, and any step can be repeated.

::

    prepare --> train --> judge --> publish --> done       a training run
       |                               ^
       +-------------------------------+                   a new order only, or nothing to learn

    any step --> the same step again    after a kill, or once Label Studio, the database or the disk can be used again
    any step --> failed                 an error that no retry helps; labels and the serving model stay as they are

A step returns a `StepResult`; what differs between kinds of projects it asks of a `Kind`, see `ml_backend.loop.kinds`.
"""

from __future__ import annotations

import errno
import logging
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from typing import Final

from ml_backend.errors import Busy, PapLoopError, Unavailable
from ml_backend.loop.steps.judge import judge
from ml_backend.loop.steps.prepare import prepare
from ml_backend.loop.steps.publish import publish
from ml_backend.loop.steps.result import StepResult
from ml_backend.loop.steps.train import train
from ml_backend.runs import fail
from ml_backend.services import Services
from ml_backend.state.files import project_lock
from ml_backend.state.records import RunRow
from strategies.base import StrategyError
from training.types import TrainingError

log = logging.getLogger(__name__)

Step = Callable[[Services, RunRow], StepResult]
"""Does the work of one state."""

STEPS: Final[Mapping[str, Step]] = {"prepare": prepare, "train": train, "judge": judge, "publish": publish}

FULL: Final = (errno.ENOSPC, errno.EDQUOT)
"""What the system says of a disk without room."""


def execute(services: Services, run_id: int) -> RunRow:
    """Advance a run until it is done, has failed, or must wait for an unavailable service.

    Only one process works on a project at a time; a second one returns at once.
    """
    store = services.store
    run = store.runs.one(run_id)
    with ExitStack() as stack:
        try:
            stack.enter_context(services.files.lock(project_lock(run.project_id), wait=False))
        except Busy:
            return run
        while (run := store.runs.one(run_id)).is_open:
            if run.attempts >= services.settings.retry_attempts:
                fail(services.store.runs, run_id, _no_end(run), now=services.clock())
                break
            store.runs.update(run_id, attempts=run.attempts + 1)
            if not _attempt(services, store.runs.one(run_id)):
                break
    return store.runs.one(run_id)


def _no_end(run: RunRow) -> str:
    last = f" Its last message: {run.message}" if run.message else ""
    return (
        f"The process of step {run.state} died in all {run.attempts} attempts, which can happen when memory "
        f"runs out. Check the worker's log and start the run again.{last}"
    )


def _attempt(services: Services, run: RunRow) -> bool:
    """One attempt at the present step; True when the run may go on at once."""
    try:
        result = STEPS[run.state](services, run)
        ended = {"finished_at": services.clock()} if result.following == "done" else {}
        reset = {"attempts": 0, "waits": 0, "next_try_at": 0.0, **ended}
        services.store.runs.advance(run.id, run.state, result.following, **reset, **result.columns())
        log.info("run %d: %s finished", run.id, run.state)
        return True
    except (Busy, Unavailable) as error:
        _wait(services, run, str(error))
    except (PapLoopError, TrainingError, StrategyError) as error:
        fail(services.store.runs, run.id, str(error), now=services.clock())
    except OSError as error:
        if error.errno in FULL:
            _wait(services, run, "The disk is full. Free some space for the data directory.")
        else:
            fail(services.store.runs, run.id, _system_error(error), now=services.clock())
    except Exception as error:
        log.exception("run %d: unexpected error in %s", run.id, run.state)
        fail(
            services.store.runs,
            run.id,
            f"Unexpected {type(error).__name__} in step {run.state}: {error}. Please report it with the log.",
            now=services.clock(),
        )
    return False


def _wait(services: Services, run: RunRow, why: str) -> None:
    """Try again later; waiting is not a failure, so the attempt does not count."""
    settings = services.settings
    # The exponent is bounded so that months of waiting cannot overflow a float.
    wait = min(settings.retry_cap, settings.retry_base * 2.0 ** min(run.waits, 60))
    log.warning("run %d: %s Next attempt in %g s.", run.id, why, wait)
    if services.store.runs.one(run.id).state != run.state:
        return
    services.store.runs.update(
        run.id,
        attempts=max(0, run.attempts - 1),
        waits=run.waits + 1,
        next_try_at=services.clock() + wait,
        message=f"Waiting {wait:g} s: {why}",
    )


def _system_error(error: OSError) -> str:
    return (
        f"A file operation failed: {error.strerror or error} ({error.filename}). Correct the cause and start the "
        "run again."
    )
