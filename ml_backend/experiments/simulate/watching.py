"""Waits until the loop has processed the expert's labels."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from ml_backend.errors import Unavailable
from ml_backend.runs import is_paused
from ml_backend.services import Services
from ml_backend.state.records import RunRow
from ml_backend.state.store import Store

POLL = 0.2


@dataclass(frozen=True)
class Watch:
    """Watches the loop at work, which runs in other processes.

    Attributes:
        store: the database.
        clock: unix seconds now.
        poll: looks in Label Studio for what webhooks of a project did not bring.
        patience: seconds after which waiting ends.
    """

    store: Store
    clock: Callable[[], float]
    poll: Callable[[int], object]
    patience: float

    def wait_for_labels(self, project_id: int, count: int) -> None:
        """Wait until the store has `count` annotated tasks; after a while a poll looks for lost webhooks.

        Raises:
            Unavailable: they did not arrive in time.
        """
        started = time.monotonic()
        polled = False
        while (known := len(self.store.labels.ids(project_id))) < count:
            waited = time.monotonic() - started
            if waited > self.patience / 2 and not polled:
                self.poll(project_id)
                polled = True
            if waited > self.patience:
                raise Unavailable(
                    f"Only {known} of {count} labels reached PapLoop in {self.patience:g} s; is `paploop up` (or "
                    "`paploop worker`) running?"
                )
            time.sleep(POLL)

    def wait_until_settled(self, project_id: int, report: Callable[[RunRow], None] | None = None) -> None:
        """Wait until no run of a project is open, requested, or due for its number of labels.

        Args:
            project_id: Label Studio's project id.
            report: called with the open run.

        Raises:
            Unavailable: there was no sign of life for as long as patience lasts.
        """
        last: object = None
        moved = time.monotonic()
        while True:
            # In this order: what is due or wished for becomes an open run, never the other way round.
            due = self._is_due(project_id) or self.store.runs.wish(project_id) is not None
            run = self.store.runs.open_of(project_id)
            if run is None and not due:
                return
            sign = run and (run.id, run.state, run.progress, run.message, run.attempts)
            if sign != last:
                last, moved = sign, time.monotonic()
            if time.monotonic() - moved > self.patience:
                what = (
                    f"Run {run.id} has not moved (state {run.state})"
                    if run
                    else "No run was opened although one is due"
                )
                raise Unavailable(f"{what} for {self.patience:g} s; is `paploop up` (or `paploop worker`) running?")
            if run is not None and report is not None:
                report(run)
            time.sleep(POLL)

    def _is_due(self, project_id: int) -> bool:
        store = self.store
        settings = store.projects.settings(project_id)
        changed = store.labels.changes_since(project_id, store.runs.covered_change(project_id))
        is_enough = settings.auto_train and changed >= settings.retrain_labels
        return is_enough and not is_paused(store.runs, project_id, now=self.clock())


def watch_on(services: Services, patience: float) -> Watch:
    """What watches the loop over these parts."""
    from ml_backend.loop.reconcile import reconcile

    return Watch(services.store, services.clock, lambda project_id: reconcile(services, project_id), patience)
