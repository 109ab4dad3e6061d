"""Smart tools: the outline of what the expert points at, in the control that holds it, from the first image on."""

from __future__ import annotations

import json
import logging
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from ml_backend.geometry.results import Control, read_results
from ml_backend.geometry.shapes import mask_of
from ml_backend.smart_detectors import Detectors
from ml_backend.smart_tool import SmartTool
from ml_backend.state.records import NewItem
from tests.web.conftest import World, recorded
from training.geometry.runs import from_window, mask_iou, pixels, trim
from training.types import Detections, TrainingError

SIZE = (240, 320)
CONFIG = """<View><Image name="img" value="$image"/>
<RectangleLabels name="box" toName="img" smart="true" smartOnly="true"><Label value="cell"/><Label value="debris"/>
</RectangleLabels>
<KeyPointLabels name="kp" toName="img" smart="true" smartOnly="true"><Label value="cell"/></KeyPointLabels>
<PolygonLabels name="poly" toName="img"><Label value="cell"/><Label value="debris"/></PolygonLabels>
<BrushLabels name="brush" toName="img"><Label value="cell"/><Label value="debris"/></BrushLabels></View>"""
FRAME = {"original_width": 320, "original_height": 240, "image_rotation": 0}
DISC = (160, 120, 60, 40)
"""x, y and radii in px of the object on the test picture."""


def disc() -> Any:
    rows, columns = np.mgrid[:240, :320] + 0.5
    inside = ((columns - DISC[0]) / DISC[2]) ** 2 + ((rows - DISC[1]) / DISC[3]) ** 2 <= 1
    return from_window(inside, (0, 0), SIZE)


def box(x: Any, y: float, width: float, height: float, label: str = "cell", **fields: Any) -> dict[str, Any]:
    value = {"x": x, "y": y, "width": width, "height": height, "rotation": 0, "rectanglelabels": [label]}
    base = {"id": "rc1", "from_name": "box", "to_name": "img", "type": "rectanglelabels", **FRAME, "value": value}
    return base | fields


def point(x: Any, y: Any, label: str = "cell", **fields: Any) -> dict[str, Any]:
    value = {"x": x, "y": y, "width": 0.3, "keypointlabels": [label]}
    base = {"id": "kp1", "from_name": "kp", "to_name": "img", "type": "keypointlabels", **FRAME, "value": value}
    return base | fields


AROUND = box(30, 31, 40, 38)


@pytest.fixture
def project(world: World, tmp_path: Path) -> World:
    """Project 8 with one picture, task 1: a dark ellipse on noise."""
    rng = np.random.default_rng(0)
    picture = rng.normal(190, 8, size=(*SIZE, 3))
    (x, y), bitmap = trim(disc())
    picture[y : y + bitmap.shape[0], x : x + bitmap.shape[1]][bitmap > 0] += (-90, -110, -50)
    Image.fromarray(np.clip(picture, 0, 255).astype(np.uint8)).save(tmp_path / "cell.png")
    world.store.upsert_project(8, "cells", CONFIG, world.now[0])
    data = {"root": str(tmp_path), "name": "cell.png"}
    world.store.add_items(
        8, [NewItem(source=str(tmp_path / "cell.png"), task_id=1, state="ready", data=data)], world.now[0]
    )
    return world


def ask(world: World, *drawn: Any, config: str = CONFIG, task: Any = None, context: Any = None) -> Any:
    body = {
        "tasks": [{"id": 1, "data": {"image": "x"}, "drafts": []} if task is None else task],
        "project": "8.1795254788",
        "label_config": config,
        "params": {"login": None, "password": None, "context": {"result": list(drawn)} if context is None else context},
    }
    # A browser's JSON has no NaN, but Python's has, and so may a script.
    text = json.dumps(body)
    answer = world.call("/predict", None, method="POST", data=text, headers={"Content-Type": "application/json"})
    assert answer.status_code == 200, answer.text
    assert len(answer.json["results"]) == 1
    return answer.json["results"][0]


def drawn_mask(element: Any, control: Control) -> Any:
    reading = read_results(element["result"], [control], SIZE)
    assert len(reading.regions) == 1, reading
    return mask_of(reading.regions[0].shape, SIZE)


POLYGON = Control("poly", "img", "polygonlabels", ("cell", "debris"))
BRUSH = Control("brush", "img", "brushlabels", ("cell", "debris"))


@pytest.mark.parametrize(
    "drawn", [[AROUND], [box(70, 69, -40, -38)], [point(50, 50)], [point(45, 45), point(55, 52, id="kp2")]]
)
def test_before_any_model_the_outline_comes_from_the_colours(project: World, drawn: list[Any]) -> None:
    element = ask(project, *drawn)
    region = element["result"][0]
    assert (region["from_name"], region["type"]) == ("poly", "polygonlabels")
    assert region["value"]["polygonlabels"] == ["cell"]
    assert (region["original_width"], region["original_height"], region["image_rotation"]) == (320, 240, 0)
    assert region["meta"]["text"] == ["PapLoop smart tool: outline by colours."]
    assert "score" not in region
    assert mask_iou([drawn_mask(element, POLYGON)], [disc()])[0, 0] > 0.9


def test_the_label_is_kept_and_the_same_drawing_gives_the_same_region(project: World) -> None:
    first, second = (ask(project, box(30, 31, 40, 38, "debris")) for _ in range(2))
    assert first["result"][0]["value"]["polygonlabels"] == ["debris"]
    assert first == second
    assert ask(project, AROUND)["result"][0]["id"] != first["result"][0]["id"]


def test_nothing_leaves_the_box(project: World) -> None:
    (x, _), bitmap = trim(drawn_mask(ask(project, box(30, 31, 20, 38)), POLYGON))
    assert x >= 95
    assert x + bitmap.shape[1] <= 161


def test_a_point_outside_of_the_object_takes_part_of_it_away(project: World) -> None:
    whole = ask(project, AROUND)
    less = ask(project, AROUND, point(33, 50, is_positive=False))
    assert pixels(drawn_mask(less, POLYGON)) < pixels(drawn_mask(whole, POLYGON))


def test_the_answer_takes_the_form_that_the_config_has(project: World) -> None:
    only_brush = CONFIG.replace('<PolygonLabels name="poly"', '<PolygonLabels paploop="off" name="poly"')
    element = ask(project, AROUND, config=only_brush)
    assert element["result"][0]["type"] == "brushlabels"
    assert mask_iou([drawn_mask(element, BRUSH)], [disc()])[0, 0] > 0.9
    boxes = CONFIG.split("<PolygonLabels")[0].replace(' smartOnly="true"', "") + "</View>"
    value = ask(project, box(25, 25, 50, 50), config=boxes)["result"][0]["value"]
    assert (value["x"], value["y"]) == pytest.approx((31.25, 33.3), abs=1.5), "the box closes around the object"
    apart = """<View><Image name="img" value="$image"/><Labels name="what" toName="img"><Label value="cell"/></Labels>
        <Polygon name="line" toName="img"/><Rectangle name="box" toName="img" smart="true"/></View>"""
    drawn = {**AROUND, "type": "rectangle", "value": {**AROUND["value"], "labels": ["cell"]}}
    shape, label = ask(project, drawn, config=apart)["result"]
    assert (shape["from_name"], shape["type"], shape["id"]) == ("line", "polygon", label["id"])
    assert (label["from_name"], label["type"], label["value"]["labels"]) == ("what", "labels", ["cell"])
    assert label["value"]["points"] == shape["value"]["points"]


NAN = float("nan")


@pytest.mark.parametrize(
    ("drawn", "reason"),
    [
        ([], "holds no region"),
        (["text", None, {"value": 3}], "holds no region"),
        ([box(30, 31, 0, 38)], "smaller than a pixel"),
        ([box(130, 31, 20, 38)], "smaller than a pixel"),
        ([box(-60, 31, 20, 38)], "smaller than a pixel"),
        ([box(NAN, 31, 20, 38)], "no shape"),
        ([box("1e999", 31, 20, 38)], "not finite"),
        ([box(30, 31, 1e308, 1e308, id="huge") | {"value": {"x": 1}}], "no shape"),
        ([point(NAN, 50)], "no place"),
        ([point("left", 50)], "no place"),
        ([point(101, 50)], "outside of the image"),
        ([point(50, 50, is_positive=False)], "Only places outside"),
        ([box(30, 31, 40, 38, "unknown")], "offers the label 'unknown'"),
        ([AROUND | {"to_name": "other"}], "Nothing is drawn on the image 'img'"),
        ([AROUND | {"value": {**AROUND["value"], "rectanglelabels": []}}], "No label is chosen"),
    ],
)
def test_what_cannot_be_outlined_is_a_sentence_in_the_log(
    project: World, caplog: pytest.LogCaptureFixture, drawn: list[Any], reason: str
) -> None:
    with caplog.at_level(logging.WARNING):
        element = ask(project, *drawn)
    assert element == {"model_version": "paploop-none", "score": 1.0, "result": []}
    assert reason in caplog.text
    assert "Traceback" not in caplog.text


def test_of_two_boxes_the_newest_counts_and_a_broken_one_hides_no_good_one(project: World) -> None:
    newest = ask(project, box(1, 1, 10, 10, id="old"), AROUND)
    assert mask_iou([drawn_mask(newest, POLYGON)], [disc()])[0, 0] > 0.9
    good = ask(project, AROUND, box(NAN, 1, 1, 1, id="broken"))
    assert mask_iou([drawn_mask(good, POLYGON)], [disc()])[0, 0] > 0.9


@pytest.mark.parametrize("context", [{"result": None}, {"result": {}}, [1], "text", 7])
def test_contexts_that_are_none(project: World, context: Any) -> None:
    assert ask(project, context=context)["result"] == []


def test_boxes_at_the_edge_over_everything_and_of_one_pixel(project: World) -> None:
    for drawn in (box(0, 0, 100, 100), box(-20, -20, 50, 60), box(50, 50, 0.32, 0.42), box(99.5, 99.5, 5, 5)):
        assert pixels(drawn_mask(ask(project, drawn), POLYGON)) >= 1
    for x, y in ((0, 0), (100, 100), (99.9, 0.1)):
        assert pixels(drawn_mask(ask(project, point(x, y)), POLYGON)) >= 1


def test_a_task_or_picture_that_is_not_there(project: World, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    assert ask(project, AROUND, task="text")["result"] == []
    assert ask(project, AROUND, task={"id": 99, "data": {}})["result"] == []
    (tmp_path / "cell.png").write_bytes(b"no picture")
    assert ask(project, AROUND)["result"] == []
    (tmp_path / "cell.png").unlink()
    assert ask(project, AROUND)["result"] == []
    assert "Traceback" not in caplog.text


def test_the_recorded_requests_of_label_studio(project: World) -> None:
    body = recorded("ml_predict_interactive_rectangle")["request"]["body"]
    body["project"] = "8.1"
    body["tasks"][0]["id"] = 1
    (region,) = project.call("/predict", body).json["results"][0]["result"]
    assert region["value"]["brushlabels" if region["type"] == "brushlabels" else "rectanglelabels"] == ["Cat"]


class Detector:
    """Answers a square where it was asked, says "debris" and is sure of it."""

    def __init__(self, masks: bool = True) -> None:
        self.plan = type("Plan", (), {"classes": ("cell", "debris")})()
        self.masks = masks
        self.asked: list[str] = []
        self.fails = False

    def inside(self, picture: Any, where: Any) -> Detections:
        return self._square("box", where[0], where[1])

    def at(self, picture: Any, inside: Any, outside: Any) -> Detections:
        return self._square("point", *inside[0])

    def _square(self, what: str, x: float, y: float) -> Detections:
        if self.fails:
            raise TrainingError("The box is smaller than a pixel; draw a larger one.")
        self.asked.append(what)
        probs = np.array([[[0.1, 0.8, 0.1]]], np.float32)
        corner = int(x), int(y)
        mask = from_window(np.ones((20, 20), np.uint8), corner, SIZE)
        where = np.array([[*corner, corner[0] + 20, corner[1] + 20]], np.float32)
        return Detections(SIZE, where, probs, [mask] if self.masks else None)


class Ready(Detectors):
    """A detector that is loaded already."""

    def __init__(self, detector: Any) -> None:
        self.detector = detector

    def of_run(self, run_id: int | None, patience: float) -> Any:
        return self.detector


def outline(world: World, detector: Any, *drawn: Any, config: str = CONFIG) -> Any:
    tool = SmartTool(world.services, detectors=Ready(detector))
    return tool.outline(world.store.project(8), {"id": 1, "data": {}}, {"result": list(drawn)}, config)


def test_the_detector_answers_and_the_label_stays(project: World) -> None:
    detector = Detector()
    (region,) = outline(project, detector, AROUND)
    assert region["value"]["polygonlabels"] == ["cell"]
    assert region["score"] == pytest.approx(0.1), "how sure the model is of the expert's label"
    assert "detector of run" in region["meta"]["text"][0]
    outline(project, detector, point(50, 50))
    assert detector.asked == ["box", "point"]
    unlabelled = AROUND | {"value": {**AROUND["value"], "rectanglelabels": []}}
    assert outline(project, detector, unlabelled)[0]["value"]["polygonlabels"] == ["debris"]


def test_a_detector_of_boxes_leaves_the_outline_to_the_colours(project: World) -> None:
    (region,) = outline(project, Detector(masks=False), AROUND)
    assert region["meta"]["text"][0].endswith("and by colours.")
    mask = read_results([region], [POLYGON], SIZE).regions[0].shape
    assert mask_iou([mask_of(mask, SIZE)], [disc()])[0, 0] > 0.9
    assert outline(project, Detector(masks=False), point(50, 50))


def test_a_detector_that_fails_is_replaced_by_the_colours(project: World) -> None:
    detector = Detector()
    detector.fails = True
    (region,) = outline(project, detector, AROUND)
    assert region["meta"]["text"] == ["PapLoop smart tool: outline by colours."]


def test_a_config_without_drawing_controls_is_not_ours(project: World) -> None:
    choices = """<View><Image name="img" value="$image"/><KeyPointLabels name="kp" toName="img" smart="true">
        <Label value="a"/></KeyPointLabels><Choices name="c" toName="img"><Choice value="A"/><Choice value="B"/>
        </Choices></View>"""
    assert outline(project, Detector(), point(50, 50, "a"), config=choices) is None
    assert outline(project, Detector(), AROUND, config="<View") == []


def test_the_editor_never_waits_for_a_detector_to_load(
    project: World, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    go_on, loads = threading.Event(), []

    def load(folder: Path, **settings: Any) -> Any:
        loads.append(folder)
        assert go_on.wait(60)
        if len(loads) == 1:
            raise TrainingError("The weights are damaged; train the detector again.")
        ready = Detector()
        ready.warm_up = lambda: None  # type: ignore[attr-defined]  # what the real one has
        return ready

    from training.models import detectron2_rcnn

    monkeypatch.setattr(detectron2_rcnn.Detector, "load", load)
    now = [0.0]
    detectors = Detectors(project.services, lambda: now[0])
    assert detectors.of_run(None, 0) is None
    assert detectors.of_run(7, 0) is None, "no such checkpoint"
    folder = project.services.files.run_dir(7) / "checkpoint"
    folder.mkdir(parents=True)
    (folder / "plan.json").write_text("{}")
    assert detectors.of_run(7, 0.01) is None, "still loading"
    assert detectors.of_run(7, 0.01) is None
    go_on.set()
    assert detectors.of_run(7, 60) is None, "it could not be loaded"
    assert detectors.of_run(7, 60) is None, "and is not tried again at once"
    assert "The weights are damaged" in caplog.text
    now[0] = 100.0
    assert detectors.of_run(7, 60) is not None
    assert detectors.of_run(7, 0) is detectors.of_run(7, 0)
    assert len(loads) == 2
