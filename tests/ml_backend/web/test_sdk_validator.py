"""Every answer of `/predict` passes the validator of Label Studio's own SDK: stored, live, or from a smart tool."""

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from label_studio_sdk.label_interface import LabelInterface

from ml_backend.predictions.packing import Found, pack
from ml_backend.state.project_settings import ProjectSettings
from ml_backend.state.records import NewItem, RankingEntry
from tests.fakes.runs import open_run
from tests.ml_backend.web.conftest import CONFIG as CHOICES
from tests.ml_backend.web.conftest import WebWorld
from tests.ml_backend.web.drawings import AROUND, DISC, SIZE, disc, point, with_picture
from training.geometry.runs import from_window
from training.types import Detections

CLASSES = ("cell", "debris")
LABELS = '<Label value="cell"/><Label value="debris"/>'
SMART = (
    f'<RectangleLabels name="box" toName="img" smart="true" smartOnly="true">{LABELS}</RectangleLabels>'
    f'<KeyPointLabels name="kp" toName="img" smart="true" smartOnly="true">{LABELS}</KeyPointLabels>'
)


def config(tags: str) -> str:
    return f'<View><Image name="img" value="$image"/>{SMART}{tags}</View>'


def labelled(tag: str) -> str:
    return config(f'<{tag}Labels name="drawn" toName="img">{LABELS}</{tag}Labels>')


def apart(tag: str) -> str:
    return config(f'<Labels name="what" toName="img">{LABELS}</Labels><{tag} name="drawn" toName="img"/>')


OBJECTS = {
    **{tag: labelled(tag) for tag in ("Rectangle", "Polygon", "Ellipse", "Brush")},
    **{f"Labels and {tag}": apart(tag) for tag in ("Rectangle", "Polygon", "Ellipse", "Brush")},
    "Polygon and Brush": config(
        '<PolygonLabels name="a" toName="img"><Label value="cell"/></PolygonLabels>'
        '<BrushLabels name="b" toName="img"><Label value="debris"/></BrushLabels>'
    ),
}


def errors(element: Any, xml: str) -> list[str]:
    """What the SDK has against one element; an element that is no prediction is refused as well."""
    assert isinstance(element, dict), "there is no prediction to look at"
    assert element["result"], "the answer is empty, so nothing was checked"
    return list(LabelInterface(xml).validate_prediction(element, return_errors=True))


def answer(size: tuple[int, int] = SIZE) -> Found:
    """Five objects: in the middle, over every edge, everywhere, and one px."""
    height, width = size
    x, y, rx, ry = DISC
    boxes = np.array(
        [
            [x - rx, y - ry, x + rx, y + ry],
            [-8, -5, 40.25, 30],
            [width - 30, height - 21.5, width + 9, height + 9],
            [0, 0, width, height],
            [10, 10, 11, 11],
        ],
        np.float32,
    )
    windows = [np.ones((31, 41)), np.ones((22, 30)), np.ones((height, width)), np.ones((1, 1))]
    corners = [(0, 0), (width - 30, height - 22), (0, 0), (10, 10)]
    drawn = [from_window(one.astype(np.uint8), corner, size) for one, corner in zip(windows, corners, strict=True)]
    probs = np.array([[[0.8, 0.1, 0.1], [0.1, 0.8, 0.1]] * 2 + [[1.0, 0.0, 0.0]]], np.float32)
    return Found(Detections(size, boxes, probs, [disc(), *drawn]), CLASSES)


class Detector:
    """A loaded detector: the whole answer for an image, the object in the middle for a place."""

    plan = type("Plan", (), {"classes": CLASSES})()

    def predict(self, paths: Any) -> Any:
        return iter([answer().detections for _ in paths])


@pytest.fixture(params=OBJECTS)
def xml(request: pytest.FixtureRequest) -> str:
    return OBJECTS[request.param]


@pytest.fixture
def project(world: WebWorld, tmp_path: Path, xml: str, monkeypatch: pytest.MonkeyPatch) -> WebWorld:
    """Project 8 whose detector looked at task 1, and not at task 2."""
    with_picture(world, tmp_path)
    store, now = world.store, world.now
    store.projects.upsert(8, "cells", xml, now)
    store.projects.save_settings(8, ProjectSettings(shown_from=0.3))
    again = tmp_path / "again.png"
    shutil.copy(tmp_path / "cell.png", again)
    data = {"root": str(tmp_path), "name": again.name}
    store.items.add(8, [NewItem(source=str(again), task_id=2, state="ready", data=data)], now)
    (first,) = [item.id for item in store.items.all(8) if item.task_id == 1]
    run = open_run(store, 8, now=now)
    store.detections.save(run.id, {first: pack(answer())})
    request = {"classes": list(CLASSES), "task": "objects"}
    store.runs.update(run.id, state="done", decision="promoted", request=request, finished_at=now)
    entry = RankingEntry(item_id=first, position=0, score=0.0, utility=1.0, why="")
    store.rankings.activate(store.rankings.add(8, run.id, run.id, "v", "box_entropy", {}, [entry], now), run.id)
    monkeypatch.setattr("ml_backend.predictions.kinds.objects.load_detector", lambda *args, **options: Detector())
    return world


def test_objects_that_a_run_stored_and_objects_found_now(project: WebWorld, xml: str) -> None:
    body = {"project": 8, "tasks": [{"id": 1, "data": {}}, {"id": 2, "data": {}}], "label_config": xml}
    stored, live = project.call("/predict", body).json["results"]
    assert errors(stored, xml) == []
    assert errors(live, xml) == []
    per_object = 2 if "<Labels" in xml else 1
    assert len(stored["result"]) == len(live["result"]) == 5 * per_object


@pytest.mark.parametrize("drawn", [AROUND, point(50, 50)], ids=["box", "point"])
def test_outlines_of_smart_tools(project: WebWorld, xml: str, drawn: dict[str, Any]) -> None:
    body = {
        "project": 8,
        "tasks": [{"id": 1, "data": {}, "drafts": []}],
        "label_config": xml,
        "params": {"context": {"result": [drawn]}},
    }
    (element,) = project.call("/predict", body).json["results"]
    assert errors(element, xml) == []


@pytest.mark.parametrize("choice", ["single", "multiple"])
def test_classes_of_whole_images(world: WebWorld, loop: Any, choice: str) -> None:
    xml = CHOICES.replace('choice="single"', f'choice="{choice}"')
    body = {"project": 3, "tasks": [{"id": task} for task in loop.tasks[:4]], "label_config": xml}
    results = world.call("/predict", body).json["results"]
    assert [(len(element["result"]), errors(element, xml)) for element in results] == [(1, [])] * 4


def test_the_validator_would_see_a_wrong_answer() -> None:
    wrong = {"from_name": "drawn", "to_name": "img", "type": "rectanglelabels", "value": {"rectanglelabels": ["cell"]}}
    assert errors({"result": [wrong], "score": 0.5, "model_version": "v"}, OBJECTS["Rectangle"])
