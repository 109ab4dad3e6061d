"""A lead reorders, renames, adds and removes classes at every step of the loop; nobody is ever shown another class."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ml_backend.intake.projects import label_config
from ml_backend.loop.cycle import STEPS
from ml_backend.loop.steps.result import StepResult
from ml_backend.ordering.order import OrderRequest, candidates, snapshot
from ml_backend.predictions.classifiers import predict_items
from ml_backend.runs import request_run, rollback
from ml_backend.state.records import RunRow
from ml_backend.web.serving import serving_of
from tests.ml_backend.loop.classes import Loop, make_loop

CHANGES: dict[str, Callable[[list[str]], list[str]]] = {
    "permuted": lambda names: [*names[1:], names[0]],
    "renamed": lambda names: [f"{names[0]} (new)", *names[1:]],
    "added": lambda names: ["aaa", *names],
    "removed": lambda names: names[1:],
}
MOMENTS = ("prepare", "train", "judge", "publish", "predict")


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory, cells: Path) -> Iterator[Loop]:
    """A project with a promoted model, and its classes in their first order."""
    loop = make_loop(tmp_path_factory.mktemp("names") / "state", cells)
    loop.label(40)
    loop.settle()
    yield loop
    loop.store.close()


@pytest.fixture
def names(scene: Loop) -> Iterator[list[str]]:
    known = sorted(set(scene.truth.values()))
    yield known
    configure(scene, known)


def configure(loop: Loop, names: Sequence[str]) -> None:
    project = loop.store.projects.one(loop.project)
    config = label_config(list(names))
    loop.store.projects.upsert(project.id, project.title, config, loop.services.clock())
    loop.fake.state.projects[project.id]["label_config"] = config


def walk(loop: Loop, kind: str, moment: str, change: Callable[[], None]) -> RunRow:
    """Do a run step by step, with a change before one of the steps."""
    run = request_run(loop.services.store, loop.project, kind=kind, reason="Test.", now=loop.services.clock())
    while run.is_open:
        if run.state == moment:
            change()
        result = STEPS[run.state](loop.services, run)
        loop.store.runs.advance(run.id, run.state, result.following, **result.columns())
        run = loop.store.runs.one(run.id)
    if moment == "predict":
        change()
    return run


def right_answers(loop: Loop, names: Sequence[str]) -> dict[int, list[str]]:
    """Task -> what may be shown: the class that the serving model itself says, if it can still be chosen."""
    active = loop.store.projects.one(loop.project).active_run_id
    assert active is not None
    run = loop.store.runs.one(active)
    items = candidates(loop.store.items, loop.project, run.request.encoder)
    probs, classes = predict_items(loop.services.models, loop.services.images, active, items, run.request.encoder)
    said = [classes[int(best)] for best in probs.argmax(axis=1)]
    return {int(i.task_id or 0): [name] if name in names else [] for i, name in zip(items, said, strict=True)}


def classes_in(answer: Any) -> list[str]:
    return [name for region in answer["result"] for name in region["value"]["choices"]]


def answered(loop: Loop, config: str = "") -> dict[int, list[str]]:
    tasks = loop.fake.state.tasks_of(loop.project)
    answers: list[Any] = serving_of(loop.services).predict(loop.project, tasks, label_config=config)
    return {task["id"]: classes_in(answer) for task, answer in zip(tasks, answers, strict=True)}


def pushed(loop: Loop) -> dict[int, list[str]]:
    active = loop.fake.state.projects[loop.project]["model_version"]
    return {
        task["id"]: classes_in(prediction)
        for task in loop.fake.state.tasks_of(loop.project)
        for prediction in loop.fake.state.predictions_of(task["id"])
        if prediction["model_version"] == active
    }


def shares(right: dict[int, list[str]], shown: dict[int, list[str]]) -> None:
    assert shown
    assert {task: right[task] for task in shown} == shown


@pytest.mark.parametrize("moment", MOMENTS)
@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("kind", ["train", "rank"])
def test_a_class_is_never_swapped(scene: Loop, names: list[str], kind: str, change: str, moment: str) -> None:
    after = CHANGES[change](names)
    run = walk(scene, kind, moment, lambda: configure(scene, after))
    assert run.state == "done", run
    right = right_answers(scene, after)
    shares(right, answered(scene))
    if moment != "predict":
        shares(right, pushed(scene))
    assert sum(map(bool, right.values())) > len(right) / 3


@pytest.mark.parametrize("change", CHANGES)
def test_the_config_of_the_request_and_a_model_asked_live(scene: Loop, names: list[str], change: str) -> None:
    after = CHANGES[change](names)
    right, config = right_answers(scene, after), label_config(after)
    shares(right, answered(scene, config))
    active = scene.store.projects.one(scene.project).active_run_id
    assert active is not None
    kept = scene.store.answers.of(active)
    scene.store.answers.delete(active)
    shares(right, answered(scene, config))
    scene.store.answers.save(active, kept.ids, kept.probs, kept.classes)


@pytest.mark.parametrize("change", CHANGES)
def test_a_kept_run_and_a_roll_back_after_a_change(scene: Loop, names: list[str], change: str) -> None:
    before = scene.store.projects.one(scene.project).active_run_id
    assert before is not None
    after = CHANGES[change](names)

    def keep() -> None:
        configure(scene, after)

    def kept(_services: Any, _run: RunRow) -> Any:
        return StepResult("publish", decision="kept", decision_reason="Test.")

    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(STEPS, "judge", kept)
        assert walk(scene, "train", "publish", keep).decision == "kept"
    assert scene.store.projects.one(scene.project).active_run_id == before
    shares(right_answers(scene, after), pushed(scene))
    rollback(scene.services.store, scene.services.files, scene.project, before, now=scene.services.clock())
    scene.settle()
    shares(right_answers(scene, after), pushed(scene))
    shares(right_answers(scene, after), answered(scene))


@pytest.mark.usefixtures("names")
def test_strategies_see_probabilities_by_name(scene: Loop) -> None:
    active = scene.store.projects.one(scene.project).active_run_id
    assert active is not None
    encoder = scene.store.runs.one(active).request.encoder
    items = candidates(scene.store.items, scene.project, encoder)
    probs, classes = predict_items(scene.services.models, scene.services.images, active, items, encoder)
    wanted = ["aaa", *classes[1:], classes[0]]
    for needs in (frozenset({"probs"}), frozenset({"probs", "members"})):
        request = OrderRequest(active, wanted, frozenset(), encoder, 0, {})
        pool = snapshot(scene.store, scene.services.files, items, request, needs)
        mean = pool.probs.mean(axis=0)
        assert mean[:, 0].max() == 0
        if "members" not in needs:
            np.testing.assert_allclose(mean[:, 1:], probs[:, [classes.index(name) for name in wanted[1:]]], atol=1e-6)
    strangers = OrderRequest(active, ["x", "y"], frozenset(), encoder, 0, {})
    assert snapshot(scene.store, scene.services.files, items, strangers, frozenset({"probs"})).probs.shape[0] == 0
