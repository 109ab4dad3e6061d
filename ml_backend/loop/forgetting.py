"""Deletes what only old runs of a project needed."""

from __future__ import annotations

import logging
import shutil

from ml_backend.services import Services

log = logging.getLogger(__name__)

RECENT_ORDERS = 3
"""Newest orders whose answers stay: a label that arrives now may have been given under the last but one."""


def forget_past(services: Services, project_id: int) -> None:
    """Delete order positions, predictions and run folders that are no longer needed; repeating it changes nothing.

    Orders, runs and decisions stay as rows. Models that were promoted stay, so that a roll-back can predict again.
    """
    _forget_places(services, project_id)
    _forget_answers(services, project_id)
    _forget_folders(services, project_id)


def _forget_places(services: Services, project_id: int) -> None:
    for ranking_id in services.store.rankings.with_entries(project_id, states=("deleted",)):
        services.store.rankings.delete_entries(ranking_id)


def _forget_answers(services: Services, project_id: int) -> None:
    store, orders = services.store, services.store.rankings.all(project_id)
    open_runs = store.runs.all_open()
    keep = {store.projects.one(project_id).active_run_id, *(run.id for run in open_runs)}
    # A roll-back that is under way speaks with the model that it names.
    keep.update(run.request.model_run for run in open_runs)
    keep.update(row.run_id for row in orders if row.state in ("prepared", "active"))
    for run_id in store.detections.runs(project_id):
        # They are large, and a roll-back looks again: not even those of recent orders stay.
        if run_id not in keep:
            store.detections.delete(run_id)
    keep.update(row.run_id for row in orders[:RECENT_ORDERS])
    for run_id in store.answers.runs(project_id):
        if run_id not in keep:
            store.answers.delete(run_id)


def _forget_folders(services: Services, project_id: int) -> None:
    store, kept = services.store, services.settings.keep_runs
    active = store.projects.one(project_id).active_run_id
    for run in store.runs.latest(project_id, limit=1_000_000)[kept:]:
        folder = services.files.run_dir(run.id)
        if run.is_open or run.decision == "promoted" or run.id == active or not folder.is_dir():
            continue
        try:
            shutil.rmtree(folder)
        except OSError as error:
            log.warning("The folder of run %d could not be deleted: %s", run.id, error.strerror or error)
