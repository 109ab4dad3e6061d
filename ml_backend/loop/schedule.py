"""Is a run due? Numbers in, a reason in words out; a clock that is set back delays nothing."""

from __future__ import annotations

from ml_backend.errors import LabelConfigError
from ml_backend.label_studio.config import parse_label_config
from ml_backend.runs import SKEW, is_paused
from ml_backend.services import Services
from ml_backend.state.project_settings import ProjectSettings


def due(*, changed: int, first_change_at: float | None, settings: ProjectSettings, now: float) -> str | None:
    """Why a training run should start now, or None.

    Args:
        changed: tasks whose labels are new, changed or gone since the last training run was prepared.
        first_change_at: unix seconds of the oldest such change.
        settings: the project's settings.
        now: unix seconds.
    """
    if not settings.auto_train or changed <= 0:
        return None
    if changed >= settings.retrain_labels:
        return f"{changed} new or changed labels; a run needs {settings.retrain_labels}."
    if first_change_at is None or settings.retrain_minutes <= 0:
        return None
    limit = f"the limit is {settings.retrain_minutes:g} minutes"
    if first_change_at > now + SKEW:
        return f"{changed} new or changed labels were recorded before the clock was set back; {limit}."
    waited = (now - first_change_at) / 60
    if waited >= settings.retrain_minutes:
        return f"{changed} new or changed labels have waited {waited:.0f} minutes; {limit}."
    return None


def due_run(services: Services, project_id: int) -> str | None:
    """Why a project should train automatically now; None while it waits for labels or for the pause after a failure.

    Raises:
        NotFound: the project is not connected.
        BadRequest: its stored settings are out of range.
    """
    store, now = services.store, services.clock()
    covered = store.runs.covered_change(project_id)
    reason = due(
        changed=store.labels.changes_since(project_id, covered),
        first_change_at=store.labels.first_change_after(project_id, covered),
        settings=store.projects.settings(project_id),
        now=now,
    )
    return None if reason is None or is_paused(services.store.runs, project_id, now=services.clock()) else reason


def order_due(services: Services, project_id: int) -> str | None:
    """Why a project needs a new order, in words; None while it has one that knows all of its tasks.

    After runs that failed, whatever their kind, it waits as long as training runs do.
    """
    store = services.store
    ranking = store.rankings.active(project_id)
    known = ranking.provenance.newest_item if ranking is not None else 0
    if not store.items.has_tasks_after(project_id, known):
        return None
    try:
        parse_label_config(store.projects.one(project_id).label_config)
    except LabelConfigError:
        return None
    if is_paused(services.store.runs, project_id, ("train", "rank"), now=services.clock()):
        return None
    return (
        ("Images were added that the current order does not include.")
        if ranking is not None
        else "There is no order yet."
    )
