"""The checkpoint of the serving model is damaged or gone: the loop goes on and says so, and no proposal is lost."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ml_backend.errors import Conflict
from ml_backend.loop.steps.prepare import prepare
from ml_backend.reports.overview import overview
from ml_backend.runs import request_run, rollback
from ml_backend.state.project_settings import ProjectSettings
from ml_backend.web.serving import serving_of
from tests.ml_backend.loop.classes import Loop, make_loop


def cut(folder: Path) -> None:
    path = folder / "weights.npz"
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def zeros_inside(folder: Path) -> None:
    path = folder / "weights.npz"
    content = bytearray(path.read_bytes())
    content[200:400] = bytes(200)
    path.write_bytes(bytes(content))


def no_numbers(folder: Path) -> None:
    with np.load(folder / "weights.npz") as arrays:
        weights, bias = arrays["weights"] * np.nan, arrays["bias"]
    np.savez(folder / "weights.npz", weights=weights, bias=bias)


def other_kind(folder: Path) -> None:
    fields = json.loads((folder / "model.json").read_text())
    (folder / "model.json").write_text(json.dumps({**fields, "kind": "from the future"}))


DAMAGES: dict[str, Callable[[Path], None]] = {
    "gone": shutil.rmtree,
    "no weights": lambda folder: (folder / "weights.npz").unlink(),
    "empty": lambda folder: (folder / "weights.npz").write_bytes(b""),
    "cut": cut,
    "zeros inside": zeros_inside,
    "no numbers": no_numbers,
    "bad json": lambda folder: (folder / "model.json").write_text('{"kind": "he'),
    "other kind": other_kind,
}


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory, cells: Path) -> Iterator[Loop]:
    loop = make_loop(tmp_path_factory.mktemp("lost") / "state", cells)
    loop.store.projects.save_settings(loop.project, ProjectSettings(retrain_labels=1000, retrain_minutes=10_000))
    loop.label(40)
    loop.apply()
    yield loop
    loop.store.close()


@pytest.fixture
def active(scene: Loop) -> int:
    """A sound model that serves."""
    run = request_run(
        scene.services.store, scene.project, kind="train", reason="A sound model.", now=scene.services.clock()
    )
    assert scene.settle().state == "done"
    scene.store.projects.update(scene.project, active_run_id=run.id)
    scene.store.runs.update(run.id, decision="promoted")
    request_run(scene.services.store, scene.project, kind="rank", reason="Its order.", now=scene.services.clock())
    assert scene.settle().state == "done"
    return run.id


def checkpoint(scene: Loop, run: int) -> Path:
    return scene.services.files.run_dir(run) / "checkpoint"


@pytest.mark.parametrize("damage", DAMAGES)
def test_the_next_model_takes_over_and_the_decision_says_why(scene: Loop, active: int, damage: str) -> None:
    DAMAGES[damage](checkpoint(scene, active))
    run = request_run(scene.services.store, scene.project, kind="train", reason="Test.", now=scene.services.clock())
    ended = scene.settle()
    assert (ended.id, ended.state, ended.decision) == (run.id, "done", "promoted"), ended
    assert f"the model of run {active} can no longer be read and counts as absent" in ended.decision_reason
    assert "no model served before" not in ended.decision_reason
    assert scene.store.projects.one(scene.project).active_run_id == run.id
    assert overview(scene.services.store, scene.project, now=scene.services.clock()).active_why == ended.decision_reason


@pytest.mark.parametrize("damage", ["gone", "cut"])
def test_a_new_order_keeps_the_proposals_that_are_stored(scene: Loop, active: int, damage: str) -> None:
    before = shown(scene)
    assert sum(map(bool, before.values())) > 40
    DAMAGES[damage](checkpoint(scene, active))
    request_run(scene.services.store, scene.project, kind="rank", reason="Test.", now=scene.services.clock())
    ended = scene.settle()
    assert (ended.state, ended.error) == ("done", "")
    note = overview(scene.services.store, scene.project, now=scene.services.clock()).strategy_note
    assert note.startswith(f"The model of run {active} can no longer be read and counts as absent; train again.")
    assert shown(scene) == before


@pytest.mark.parametrize("damage", ["gone", "cut"])
def test_nobody_rolls_back_to_it(scene: Loop, active: int, damage: str) -> None:
    lost = active
    run = request_run(
        scene.services.store, scene.project, kind="train", reason="Its successor.", now=scene.services.clock()
    )
    scene.settle()
    scene.store.projects.update(scene.project, active_run_id=run.id)
    DAMAGES[damage](checkpoint(scene, lost))
    try:
        rollback(scene.services.store, scene.services.files, scene.project, lost, now=scene.services.clock())
    except Conflict as error:
        said = str(error)
    else:
        said = scene.settle().error
    assert f"The model of run {lost}" in said
    assert "nothing was rolled back" in said
    assert scene.store.projects.one(scene.project).active_run_id == run.id


def test_a_live_answer_stays_empty(scene: Loop, active: int) -> None:
    shutil.rmtree(checkpoint(scene, active))
    scene.store.answers.delete(active)
    tasks = scene.fake.state.tasks_of(scene.project)[:3]
    assert serving_of(scene.services).predict(scene.project, tasks) == [[], [], []]


def test_fine_tuning_does_not_go_on_from_it(scene: Loop, active: int) -> None:
    settings = scene.store.projects.settings(scene.project)
    for method, damage, wanted in (("finetune", None, True), ("finetune", "cut", False), ("head", None, False)):
        scene.store.projects.save_settings(scene.project, settings.changed(method=method))
        if damage:
            DAMAGES[damage](checkpoint(scene, active))
        run = request_run(scene.services.store, scene.project, kind="train", reason="Test.", now=scene.services.clock())
        request = prepare(scene.services, run).request
        assert request is not None
        assert bool(request.own["init"]) is wanted
        scene.store.runs.update(run.id, state="failed")
    scene.store.projects.save_settings(scene.project, settings)


def shown(scene: Loop) -> dict[int, Any]:
    version = scene.fake.state.projects[scene.project]["model_version"]
    return {
        task["id"]: prediction["result"]
        for task in scene.fake.state.tasks_of(scene.project)
        for prediction in scene.fake.state.predictions_of(task["id"])
        if prediction["model_version"] == version
    }
