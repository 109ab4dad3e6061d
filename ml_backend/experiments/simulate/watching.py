"""Waits until the loop has processed the expert's labels."""

from __future__ import annotations

import time
from collections.abc import Callable

from ml_backend.errors import Unavailable
from ml_backend.runs import is_paused
from ml_backend.services import Services
from ml_backend.state.records import RunRow
from ml_backend.state.store import Store

POLL = 0.2


def wait_for_labels(services: Services, project_id: int, count: int, patience: float) -> None:
    """Wait until the store has `count` annotated tasks; after a while a poll looks for lost webhooks.

    Raises:
        Unavailable: they did not arrive in time.
    """
    from ml_backend.loop.reconcile import reconcile

    started = time.monotonic()
    polled = False
    while _annotated(services.store, project_id) < count:
        waited = time.monotonic() - started
        if waited > patience / 2 and not polled:
            reconcile(services, project_id)
            polled = True
        if waited > patience:
            raise Unavailable(
                f"Only {_annotated(services.store, project_id)} of {count} labels reached PapLoop in {patience:g} s; "
                "is `paploop up` (or `paploop worker`) running?"
            )
        time.sleep(POLL)


def _annotated(store: Store, project_id: int) -> int:
    return len(store.labels.ids(project_id))


def wait_until_settled(
    services: Services, project_id: int, patience: float, report: Callable[[RunRow], None] | None = None
) -> None:
    """Wait until no run of a project is open, requested, or due for its number of labels.

    Args:
        services: the parts of the process.
        project_id: Label Studio's project id.
        patience: seconds without any sign of life after which waiting ends.
        report: called with the open run.

    Raises:
        Unavailable: nothing moved for that long.
    """
    last: object = None
    moved = time.monotonic()
    while True:
        # In this order: what is due or wished for becomes an open run, never the other way round.
        due = _due(services, project_id) or services.store.runs.wish(project_id) is not None
        run = services.store.runs.open_of(project_id)
        if run is None and not due:
            return
        sign = run and (run.id, run.state, run.progress, run.message, run.attempts)
        if sign != last:
            last, moved = sign, time.monotonic()
        if time.monotonic() - moved > patience:
            what = f"Run {run.id} has not moved (state {run.state})" if run else "No run was opened although one is due"
            raise Unavailable(f"{what} for {patience:g} s; is `paploop up` (or `paploop worker`) running?")
        if run is not None and report is not None:
            report(run)
        time.sleep(POLL)


def _due(services: Services, project_id: int) -> bool:
    store = services.store
    settings = store.projects.settings(project_id)
    changed = store.labels.changes_since(project_id, store.runs.covered_change(project_id))
    return (
        settings.auto_train
        and changed >= settings.retrain_labels
        and not is_paused(services.store.runs, project_id, now=services.clock())
    )
