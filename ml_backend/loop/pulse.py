"""The worker's clock: applies events, opens due runs, queues open ones, polls for lost webhooks.

Everything it knows comes from the database, so Redis and any process may be lost at any moment.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from ml_backend.effort.record import record_effort
from ml_backend.errors import PapLoopError, QueueUnavailable, Unavailable
from ml_backend.loop.event_queue import apply_open_events
from ml_backend.loop.schedule import due_run, order_due
from ml_backend.runs import SKEW, is_over, open_wished_run, request_run
from ml_backend.services import Services
from ml_backend.state.files import project_lock
from ml_backend.state.records import ProjectRow
from ml_backend.work_queue import LONG, SHORT

log = logging.getLogger(__name__)

KEEP_EVENTS = 30 * 86400.0
"""Seconds for which applied events stay readable."""

FORGET_EVERY = 3600.0
"""Seconds between looks for events that are older."""


class Pulse(threading.Thread):
    """Beats until stopped; a beat that fails is logged and the next one tries again.

    Args:
        services: the parts of the process.
        keep: called before each beat.
    """

    def __init__(self, services: Services, keep: Callable[[], None] = lambda: None) -> None:
        super().__init__(name="paploop-pulse", daemon=True)
        self.services = services
        self._keep = keep
        self.stopped = threading.Event()
        self._care = Care()
        self._forgotten = 0.0

    def run(self) -> None:
        """Beat at the set interval."""
        while not self.stopped.wait(self.services.settings.pulse_interval):
            with self._care("Checking the other lane"):
                self._keep()
            with self._care("The worker's pulse"):
                beat(self.services, self._care)
            with self._care("Deleting old webhooks"):
                self._forget_old_events()

    def _forget_old_events(self) -> None:
        now = self.services.clock()
        if is_over(self._forgotten + FORGET_EVERY, now, FORGET_EVERY):
            self._forgotten = now
            self.services.store.events.purge(now - KEEP_EVENTS)

    def stop(self) -> None:
        """Stop after the current beat."""
        self.stopped.set()


class Care:
    """Isolates failures of one stage or project from the others; logs each problem when it begins and ends."""

    def __init__(self) -> None:
        self._troubles: dict[str, str] = {}

    @contextmanager
    def __call__(self, what: str) -> Iterator[None]:
        """Go on after any failure inside; `what` names it in the log, as the beginning of a sentence."""
        try:
            yield
        except QueueUnavailable:
            # The others of this stage need the queue as well, and each would wait for its time-out.
            raise
        except Exception as error:
            self._note(what, error)
        else:
            if self._troubles.pop(what, None) is not None:
                log.info("%s works again.", what)

    def _note(self, what: str, error: Exception) -> None:
        said = str(error) or type(error).__name__
        if self._troubles.get(what) == said:
            return
        self._troubles[what] = said
        log.warning("%s failed: %s", what, said, exc_info=None if isinstance(error, PapLoopError) else error)


def beat(services: Services, care: Care | None = None) -> None:
    """One pass over everything that may be due; a failure in one stage or project does not delay others."""
    care = care or Care()
    touched: set[int] = set()
    with _stage(care, "Applying webhooks"):
        while events := apply_open_events(services):
            touched.update(event.project_id for event in events)
    with _stage(care, "Opening runs"):
        open_due_runs(services, care)
    with _stage(care, "Queueing runs"):
        queue_open_runs(services, care)
    with _stage(care, "Queueing polls"):
        queue_polls(services, care)
    with _stage(care, "Recording effort"):
        for project in services.store.projects.all():
            if project.id in touched:
                with care(f"Recording the effort of project {project.id}"):
                    record_effort(services.store, project.id)


@contextmanager
def _stage(care: Care, what: str) -> Iterator[None]:
    with care(what):
        try:
            yield
        except QueueUnavailable as error:
            raise Unavailable(str(error)) from error


def _there(services: Services) -> list[ProjectRow]:
    """The projects that Label Studio has; one that it has not is left alone until somebody connects it again."""
    return [project for project in services.store.projects.all() if project.gone_at is None]


def open_due_runs(services: Services, care: Care) -> None:
    """Open a run in every project with a request, enough changes, or new images."""
    store = services.store
    for project in _there(services):
        with care(f"Opening a run of project {project.id}"):
            if (
                store.runs.open_of(project.id) is not None
                or open_wished_run(services.store, project.id, now=services.clock()) is not None
            ):
                continue
            reason = due_run(services, project.id)
            if reason:
                request_run(services.store, project.id, kind="train", reason=reason, now=services.clock())
            elif reason := order_due(services, project.id):
                request_run(services.store, project.id, kind="rank", reason=reason, now=services.clock())


def queue_open_runs(services: Services, care: Care) -> None:
    """Queue every open run that no process works on and whose wait is over."""
    now, longest = services.clock(), services.settings.retry_cap + SKEW
    for run in services.store.runs.all_open():
        with care(f"Queueing run {run.id}"):
            if is_over(run.next_try_at, now, longest) and not services.files.is_held(project_lock(run.project_id)):
                lane = LONG if run.kind == "train" and run.state != "publish" else SHORT
                services.queue.put("run_job", run.id, key=f"run-{run.id}", lane=lane)


def queue_polls(services: Services, care: Care) -> None:
    """Queue a reconciliation for every project whose last one is too long ago."""
    now, interval = services.clock(), services.settings.reconcile_interval
    for project in _there(services):
        with care(f"Queueing the poll of project {project.id}"):
            if is_over(project.reconciled_at + interval, now, interval + SKEW):
                services.queue.put("reconcile_job", project.id, key=f"reconcile-{project.id}")
                # Set here too, or a Label Studio that is away would be asked at every beat.
                services.store.projects.update(project.id, reconciled_at=now)
