"""Smart tools with a detector: loaded beside the requests, asked first, replaced by colours where it cannot answer."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ml_backend.label_studio.regions.results import read_results
from ml_backend.label_studio.regions.shapes import mask_of
from ml_backend.predictions.smart.detectors import Detectors
from ml_backend.predictions.smart.tool import SmartTool
from ml_backend.predictions.unanswered import Unanswered
from tests.ml_backend.web.conftest import WebWorld
from tests.ml_backend.web.drawings import AROUND, CONFIG, POLYGON, SIZE, disc, point, with_picture
from training.geometry.runs import from_window, mask_iou
from training.types import Detections, TrainingError


@pytest.fixture
def project(world: WebWorld, tmp_path: Path) -> WebWorld:
    """Project 8 with one picture, task 1."""
    return with_picture(world, tmp_path)


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


def outline(world: WebWorld, detector: Any, *drawn: Any, config: str = CONFIG) -> Any:
    images, most = world.services.images, world.services.settings.max_image_pixels
    tool = SmartTool(world.store.items, images, most, detectors=Ready(detector), unanswered=Unanswered())
    return tool.outline(world.store.projects.one(8), {"id": 1, "data": {}}, {"result": list(drawn)}, config)


def test_the_detector_answers_and_the_label_stays(project: WebWorld) -> None:
    detector = Detector()
    (region,) = outline(project, detector, AROUND)
    assert region["value"]["polygonlabels"] == ["cell"]
    assert region["score"] == pytest.approx(0.1), "how sure the model is of the expert's label"
    assert "detector of run" in region["meta"]["text"][0]
    outline(project, detector, point(50, 50))
    assert detector.asked == ["box", "point"]
    unlabelled = AROUND | {"value": {**AROUND["value"], "rectanglelabels": []}}
    assert outline(project, detector, unlabelled)[0]["value"]["polygonlabels"] == ["debris"]


def test_a_detector_of_boxes_leaves_the_outline_to_the_colours(project: WebWorld) -> None:
    (region,) = outline(project, Detector(masks=False), AROUND)
    assert region["meta"]["text"][0].endswith("and by colours.")
    mask = read_results([region], [POLYGON], SIZE).regions[0].shape
    assert mask_iou([mask_of(mask, SIZE)], [disc()])[0, 0] > 0.9
    assert outline(project, Detector(masks=False), point(50, 50))


def test_a_detector_that_fails_is_replaced_by_the_colours(project: WebWorld) -> None:
    detector = Detector()
    detector.fails = True
    (region,) = outline(project, detector, AROUND)
    assert region["meta"]["text"] == ["PapLoop smart tool: outline by colours."]


def test_a_config_without_drawing_controls_is_not_ours(project: WebWorld) -> None:
    choices = """<View><Image name="img" value="$image"/><KeyPointLabels name="kp" toName="img" smart="true">
        <Label value="a"/></KeyPointLabels><Choices name="c" toName="img"><Choice value="A"/><Choice value="B"/>
        </Choices></View>"""
    assert outline(project, Detector(), point(50, 50, "a"), config=choices) is None
    assert outline(project, Detector(), AROUND, config="<View") == []


def test_the_editor_never_waits_for_a_detector_to_load(
    project: WebWorld, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    go_on, loads = threading.Event(), []

    def load(folder: Path, **_settings: Any) -> Any:
        loads.append(folder)
        assert go_on.wait(60)
        if len(loads) == 1:
            raise TrainingError("The weights are damaged; train the detector again.")
        ready = Detector()
        ready.warm_up = lambda: None  # type: ignore[attr-defined]  # what the real one has
        return ready

    from training.detection.detectron2 import rcnn as detectron2_rcnn

    monkeypatch.setattr(detectron2_rcnn.Detector, "load", load)
    now = [0.0]
    detectors = Detectors(project.services.models, lambda: now[0])
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
