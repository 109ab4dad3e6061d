"""The worker's clock: applies events, opens due runs, queues open ones, polls for lost webhooks.

Everything it knows comes from the database, so Redis and any process may be lost at any moment.
"""

from __future__ import annotations

import logging
import threading

from ml_backend.effort.record import record_effort
from ml_backend.errors import QueueUnavailable, Unavailable
from ml_backend.events import apply_open_events
from ml_backend.runs import project_lock, request_run
from ml_backend.schedule import due
from ml_backend.services import Services

log = logging.getLogger(__name__)

KEEP_EVENTS = 30 * 86400.0
"""Seconds for which applied events stay readable."""


class Pulse(threading.Thread):
    """Beats until stopped; a beat that fails is logged and the next one tries again."""

    def __init__(self, services: Services) -> None:
        super().__init__(name="paploop-pulse", daemon=True)
        self.services = services
        self.stopped = threading.Event()
        self._forgotten = 0.0

    def run(self) -> None:
        """Beat at the set interval."""
        while not self.stopped.wait(self.services.settings.pulse_interval):
            try:
                beat(self.services)
                self._forget_old_events()
            except Unavailable as error:
                log.warning("%s", error)
            except Exception:
                log.exception("unexpected error in the pulse; the next beat tries again")

    def _forget_old_events(self) -> None:
        now = self.services.clock()
        if now - self._forgotten >= 3600:
            self._forgotten = now
            self.services.store.purge_events(now - KEEP_EVENTS)

    def stop(self) -> None:
        """End after the present beat."""
        self.stopped.set()


def beat(services: Services) -> None:
    """One look at everything that may have become due."""
    touched: set[int] = set()
    while events := apply_open_events(services):
        touched.update(event.project_id for event in events)
    open_due_runs(services)
    queue_open_runs(services)
    queue_polls(services)
    for project in services.store.projects():
        if project.id in touched:
            record_effort(services, project.id)


def open_due_runs(services: Services) -> None:
    """Open a run in every project where enough has changed."""
    store = services.store
    for project in store.projects():
        if store.open_run_of(project.id) is not None:
            continue
        covered = store.covered_change(project.id)
        reason = due(
            changed=store.changes_since(project.id, covered),
            first_change_at=store.first_change_after(project.id, covered),
            settings=store.settings(project.id),
            now=services.clock(),
        )
        if reason:
            request_run(services, project.id, kind="train", reason=reason)


def queue_open_runs(services: Services) -> None:
    """Queue every open run that nobody works on and whose waiting time is over."""
    now = services.clock()
    for run in services.store.open_runs():
        if run.next_try_at <= now and not services.files.is_held(project_lock(run.project_id)):
            services.queue.put("run_job", run.id, key=f"run-{run.id}")


def queue_polls(services: Services) -> None:
    """Queue a reconciliation for every project whose last one is too long ago."""
    now = services.clock()
    for project in services.store.projects():
        if now - project.reconciled_at >= services.settings.reconcile_interval:
            services.queue.put("reconcile_job", project.id, key=f"reconcile-{project.id}")
            # Set here too, or a Label Studio that is away would be asked at every beat.
            services.store.update_project(project.id, reconciled_at=now)


def work(services: Services, *, burst: bool = False) -> None:
    """The worker process: a pulse beside an RQ worker that starts a fresh process for each job.

    A forking worker hangs once torch was used in it (facts measured with RQ 2.12), hence the spawning one.

    Args:
        services: the parts of the process.
        burst: end when the queue is empty.

    Raises:
        QueueUnavailable: Redis does not answer.
    """
    from redis.exceptions import RedisError
    from rq.serializers import JSONSerializer
    from rq.worker import SpawnWorker

    connection = services.queue.connection
    pulse = Pulse(services)
    pulse.start()
    try:
        worker = SpawnWorker([services.queue.queue], connection=connection, serializer=JSONSerializer)
        worker.work(burst=burst, logging_level="WARNING", with_scheduler=False)
    except (RedisError, OSError) as error:
        raise QueueUnavailable(
            f"Redis at {services.settings.redis_url.split('@')[-1]} does not answer; start it and the worker again."
        ) from error
    finally:
        pulse.stop()
