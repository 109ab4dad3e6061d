from __future__ import annotations

import pytest

from ml_backend.loop.schedule import due
from ml_backend.state.project_settings import ProjectSettings

SETTINGS = ProjectSettings(retrain_labels=20, retrain_minutes=30)


@pytest.mark.parametrize(
    ("changed", "first", "word"),
    [(20, 0.0, "20 new or changed labels"), (500, 0.0, "500 new"), (1, -1800.0, "waited 30 minutes")],
)
def test_says_why_a_run_is_due(changed: int, first: float, word: str) -> None:
    reason = due(changed=changed, first_change_at=first, settings=SETTINGS, now=0.0)
    assert reason is not None
    assert word in reason


@pytest.mark.parametrize(("changed", "first"), [(0, None), (19, -1799.0), (5, None)])
def test_waits_for_more(changed: int, first: float | None) -> None:
    assert due(changed=changed, first_change_at=first, settings=SETTINGS, now=0.0) is None


def test_a_lead_can_turn_it_off() -> None:
    settings = SETTINGS.changed(auto_train=False)
    assert due(changed=1000, first_change_at=-1e9, settings=settings, now=0.0) is None
