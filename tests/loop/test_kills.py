"""Design property 5: a kill at any point and a restart give the same end as no kill."""

from __future__ import annotations

import copy
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from ml_backend.runs import execute, request_run
from ml_backend.services import Services
from ml_backend.state.files import DataDir
from ml_backend.state.store import Store
from tests.fakes.label_studio_faults import Faults
from tests.fakes.label_studio_routes import build_app
from tests.loop.conftest import Loop, make_loop


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


@pytest.fixture(scope="module")
def labelled(tmp_path_factory: pytest.TempPathFactory, cells: Path) -> Iterator[Loop]:
    """A project with 30 labels and a run that nobody has begun."""
    loop = make_loop(tmp_path_factory.mktemp("labelled") / "state", cells)
    request_run(loop.services, loop.project, kind="rank", reason="First order.")
    loop.settle()
    loop.label(30)
    loop.apply()
    request_run(loop.services, loop.project, kind="train", reason="By hand.")
    yield loop
    loop.store.close()


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


@pytest.fixture
def scene(labelled: Loop, tmp_path: Path) -> Iterator[Loop]:
    loop = copy_of(labelled, tmp_path / "state")
    yield loop
    loop.store.close()


@pytest.fixture(scope="module")
def undisturbed(labelled: Loop, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The end without any kill."""
    loop = copy_of(labelled, tmp_path_factory.mktemp("undisturbed") / "state")
    assert loop.settle().state == "done"
    state = end_state(loop)
    loop.store.close()
    return state


POINTS = [
    *[("store", "advance_run", after, nth) for nth in (1, 2, 3, 4) for after in (False, True)],
    ("label_studio", "import_predictions", False, 1),
    ("label_studio", "import_predictions", True, 1),
    ("label_studio", "set_model_version", False, 1),
    ("label_studio", "set_model_version", True, 1),
    ("store", "add_ranking", True, 1),
    ("store", "activate_ranking", False, 1),
    ("store", "activate_ranking", True, 1),
    ("store", "save_predictions", True, 1),
]


@pytest.mark.parametrize("point", POINTS, ids=str)
def test_a_kill_changes_nothing(
    point: tuple[str, str, bool, int], scene: Loop, undisturbed: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    owner, method, after, nth = point
    with monkeypatch.context() as patch:
        kill(getattr(scene.services, owner), method, patch, after=after, nth=nth)
        with pytest.raises(Killed):
            scene.settle()
    run = scene.settle()
    assert run.state == "done", run
    assert end_state(scene) == undisturbed


def test_a_half_pushed_version_is_never_switched_to(scene: Loop) -> None:
    scene.fake.faults.fail_next(1, 500, match="import/predictions")
    scene.deliver()
    run_id = scene.store.open_runs()[0].id
    execute(scene.services, run_id)
    run = scene.store.run(run_id)
    assert run.state == "publish"
    assert run.next_try_at > scene.services.clock()
    assert "Waiting" in run.message
    version = scene.fake.state.projects[scene.project]["model_version"]
    assert version == scene.store.project(scene.project).active_version
    half = scene.store.ranking_of_run(run_id)
    assert half is not None
    task = next(iter(scene.truth))
    scene.services.label_studio.import_predictions(
        scene.project, [{"task": task, "score": 0.5, "model_version": half.version, "result": []}]
    )
    clock: Any = scene.services.clock
    clock.now += 3600
    assert scene.settle().state == "done"
    assert set(scene.prediction_counts().values()) <= {0, 1}
    assert len(scene.versions()) == 1


def test_label_studio_away_for_good_ends_in_words(scene: Loop) -> None:
    scene.fake.down = True
    clock: Any = scene.services.clock
    run_id = scene.store.open_runs()[0].id
    for _ in range(scene.services.settings.retry_attempts + 1):
        execute(scene.services, run_id)
        clock.now += 3600
    run = scene.store.run(run_id)
    assert run.state == "failed"
    assert "did not finish in" in run.error
    assert "Label Studio" in run.error


def test_two_processes_on_one_project(scene: Loop) -> None:
    from ml_backend.runs import project_lock

    run_id = scene.store.open_runs()[0].id
    with scene.services.files.lock(project_lock(scene.project)):
        assert execute(scene.services, run_id).state == "prepare"
    assert execute(scene.services, run_id).state == "done"
