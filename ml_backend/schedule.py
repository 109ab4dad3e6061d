"""Is a run due? Pure: numbers in, a reason in words out."""

from __future__ import annotations

from ml_backend.project_settings import ProjectSettings


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
        return f"{changed} new or changed labels, {settings.retrain_labels} are enough for a run."
    if first_change_at is None or settings.retrain_minutes <= 0:
        return None
    waited = (now - first_change_at) / 60
    if waited >= settings.retrain_minutes:
        return (
            f"{changed} new or changed labels have waited {waited:.0f} minutes, "
            f"{settings.retrain_minutes:g} minutes are the limit."
        )
    return None
