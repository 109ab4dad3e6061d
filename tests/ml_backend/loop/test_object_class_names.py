"""The same where objects are drawn: a lead changes the classes, and no object is ever shown as one of another class."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from ml_backend.label_studio.config import parse_label_config
from ml_backend.predictions.packing import Found, pack
from ml_backend.runs import request_run
from ml_backend.state.project_settings import ProjectSettings
from ml_backend.web.serving import serving_of
from tests.fakes.runs import open_run
from tests.ml_backend.loop.objects import BOXES, IMAGE, SETTINGS, SIZE, ObjectLoop, make_object_loop
from tests.training.detection.blobs import CLASSES
from training.types import Detections

ROUND, OTHER = CLASSES[0], CLASSES[1]
CHANGES: dict[str, list[str]] = {
    "permuted": [*CLASSES[1:], ROUND],
    "renamed": [f"{ROUND} (new)", *CLASSES[1:]],
    "added": ["aaa", *CLASSES],
    "removed": list(CLASSES[1:]),
}


def config_of(names: list[str]) -> str:
    labels = "".join(f'<Label value="{name}"/>' for name in names)
    return f'{IMAGE}<RectangleLabels name="cells" toName="image">{labels}</RectangleLabels></View>'


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ObjectLoop]:
    """A project whose detector found one object of the first class and one of the second on each image."""
    root = tmp_path_factory.mktemp("object-names")
    loop = make_object_loop(root / "state", root / "images", BOXES, count=8)
    store, now = loop.store, loop.services.clock()
    run = open_run(store, loop.project, reason="Test.", now=now)
    request = {"task": "objects", "classes": list(CLASSES)}
    store.runs.update(run.id, state="done", decision="promoted", request=request)
    probs = np.full((1, 2, len(CLASSES) + 1), 0.0, np.float32)
    probs[0, 0, 0] = probs[0, 1, 1] = 0.8
    probs[:, :, -1] = 0.2
    boxes = np.array([[10, 10, 30, 30], [50, 50, 80, 80]], np.float32)
    content = pack(Found(Detections(SIZE, boxes, probs), tuple(CLASSES)))
    store.detections.save(run.id, {item.id: content for item in store.items.all(loop.project)})
    store.projects.update(loop.project, active_run_id=run.id)
    yield loop
    loop.store.close()


def labels_in(answer: Any) -> list[str]:
    return sorted(name for region in answer["result"] for name in region["value"]["rectanglelabels"])


@pytest.mark.parametrize("strategy", ["auto", "class_quota"])
@pytest.mark.parametrize("change", CHANGES)
def test_objects_keep_their_class(scene: ObjectLoop, change: str, strategy: str) -> None:
    names = CHANGES[change]
    settings: ProjectSettings = SETTINGS.changed(strategy=strategy)
    scene.store.projects.save_settings(scene.project, settings)
    project = scene.store.projects.one(scene.project)
    config = config_of(names)
    scene.store.projects.upsert(project.id, project.title, config, scene.services.clock())
    scene.fake.state.projects[project.id]["label_config"] = config
    assert parse_label_config(config).classes == tuple(names)
    right = sorted({ROUND, OTHER} & set(names))
    tasks = scene.fake.state.tasks_of(scene.project)
    answers: list[Any] = serving_of(scene.services).predict(scene.project, tasks)
    assert [labels_in(answer) for answer in answers] == [right] * len(tasks)
    request_run(scene.services.store, scene.project, kind="rank", reason="Test.", now=scene.services.clock())
    assert scene.settle().state == "done"
    active = scene.fake.state.projects[scene.project]["model_version"]
    for task in tasks:
        shown = [p for p in scene.fake.state.predictions_of(task["id"]) if p["model_version"] == active]
        assert [labels_in(prediction) for prediction in shown] == [right]
    ranking = scene.store.rankings.active(scene.project)
    assert ranking is not None
    said = " ".join(entry.why for entry in scene.store.rankings.entries(ranking.id))
    assert all(name in names or f"{name} " not in said for name in CLASSES), said
