"""Ending a process at a chosen call, and what must not depend on it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from tests.fakes.world import Studio


class Killed(BaseException):
    """Stands for SIGKILL: nothing of ours catches it."""


@contextmanager
def killed(owner: Any, method: str, *, after: bool = False, nth: int = 1) -> Iterator[None]:
    """The nth call of a method ends what runs here, before or after it took effect; it fails where nothing ended."""
    real: Callable[..., Any] = getattr(owner, method)
    calls = [0]

    def deadly(*args: Any, **kwargs: Any) -> Any:
        calls[0] += 1
        if calls[0] != nth:
            return real(*args, **kwargs)
        if after:
            real(*args, **kwargs)
        raise Killed

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(owner, method, deadly)
        with pytest.raises(Killed):
            yield


def end_state(studio: Studio) -> dict[str, Any]:
    """What must not depend on kills: decision, order, predictions shown, annotations."""
    store, project = studio.store, studio.project
    run = store.runs.latest(project)[0]
    ranking = store.rankings.active(project)
    assert ranking is not None
    items = {item.id: item for item in store.items.all(project)}
    order = [items[entry.item_id].task_id for entry in store.rankings.entries(ranking.id)]
    active = studio.fake.state.projects[project]["model_version"]
    assert active == ranking.version == store.projects.one(project).active_version
    shown = {
        task["id"]: [p["result"] for p in studio.fake.state.predictions_of(task["id"]) if p["model_version"] == active]
        for task in studio.fake.state.tasks_of(project)
    }
    return {
        "run": (run.state, run.decision, run.decision_reason, run.error),
        "active": store.projects.one(project).active_run_id,
        "order": order,
        "shown": shown,
        "versions": len(studio.versions()),
        "annotations": sorted(row.id for row in store.labels.all(project)),
        "open": len(store.runs.all_open()),
    }
