"""Ending a process at a chosen call, and copies of a whole PapLoop to do it in."""

from __future__ import annotations

import copy
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ml_backend.services import Services
from ml_backend.state.files import DataDir
from ml_backend.state.store import Store
from tests.fakes.label_studio_faults import Faults
from tests.fakes.label_studio_routes import build_app
from tests.loop.conftest import Loop


class Killed(BaseException):
    """Stands for SIGKILL: nothing of ours catches it."""


def kill(owner: Any, method: str, monkeypatch: pytest.MonkeyPatch, *, after: bool, nth: int = 1) -> None:
    """The nth call of a method ends the process before or after it took effect; later calls go through."""
    real: Callable[..., Any] = getattr(owner, method)
    calls = [0]

    def deadly(*args: Any, **kwargs: Any) -> Any:
        calls[0] += 1
        if calls[0] != nth:
            return real(*args, **kwargs)
        if after:
            real(*args, **kwargs)
        raise Killed

    monkeypatch.setattr(owner, method, deadly)


def end_state(loop: Loop) -> dict[str, Any]:
    """What must not depend on kills: decision, order, predictions shown, annotations."""
    store = loop.store
    run = store.runs(loop.project)[0]
    ranking = store.active_ranking(loop.project)
    assert ranking is not None
    items = {item.id: item for item in store.items(loop.project)}
    order = [items[entry.item_id].task_id for entry in store.ranking_entries(ranking.id)]
    active = loop.fake.state.projects[loop.project]["model_version"]
    assert active == ranking.version == store.project(loop.project).active_version
    shown = {
        task["id"]: [p["result"] for p in loop.fake.state.predictions_of(task["id"]) if p["model_version"] == active]
        for task in loop.fake.state.tasks_of(loop.project)
    }
    return {
        "run": (run.state, run.decision, run.decision_reason, run.error),
        "active": store.project(loop.project).active_run_id,
        "order": order,
        "shown": shown,
        "versions": len(loop.versions()),
        "annotations": sorted(row.id for row in store.annotations(loop.project)),
        "open": len(store.open_runs()),
    }


def copy_of(loop: Loop, root: Path) -> Loop:
    """The same database, files and Label Studio once more."""
    shutil.copytree(loop.services.files.root, root)
    settings = loop.services.settings.model_copy(update={"data_dir": root})
    fake = copy.copy(loop.fake)
    fake.state, fake.faults, fake.calls, fake.sent = copy.copy(loop.fake.state), Faults(), [], []
    for name, value in vars(loop.fake.state).items():
        if isinstance(value, dict | list | set):
            setattr(fake.state, name, copy.deepcopy(value))
    fake.app = build_app(fake)
    queue: Any = type(loop.services.queue)()
    store = Store.open(settings.resolved_database_url)
    services = Services(settings, store, DataDir(root), loop.services.clock, fake.client(), queue)
    return Loop(services, fake, loop.project, dict(loop.truth))
