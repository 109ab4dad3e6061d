"""What a detector found, as an annotator sees it."""

from __future__ import annotations

from typing import Any

import numpy as np
from label_studio_sdk.label_interface import LabelInterface

from ml_backend.label_studio.config import parse_label_config
from ml_backend.predictions.detectors import renamed
from ml_backend.predictions.packing import Found
from ml_backend.predictions.rendering import Style, shown
from training.geometry.runs import from_window
from training.types import Detections

SIZE = (50, 100)
STYLE = Style(0.5, "auto", 0.01)


def config(inner: str) -> str:
    return f'<View><Image name="img" value="$image"/>{inner}</View>'


def found(*, masks: bool = False, classes: tuple[str, ...] = ("A", "B")) -> Found:
    boxes = np.array([[10, 10, 30, 30], [40, 5, 60, 45], [70, 20, 80, 30]], dtype=np.float32)
    probs = np.array([[[0.9, 0.05, 0.05], [0.1, 0.7, 0.2], [0.3, 0.1, 0.6]]], dtype=np.float32)
    outlines: list[Any] = [
        from_window(np.ones((int(y2 - y1), int(x2 - x1)), np.uint8), (int(x1), int(y1)), SIZE)
        for x1, y1, x2, y2 in boxes
    ]
    return Found(Detections(SIZE, boxes, probs, outlines if masks else None), classes)


def name(index: int) -> str:
    return f"paploop-1-2-{index}"


def check(xml: str, results: Any) -> None:
    body = {"task": 1, "result": list(results), "score": 0.1, "model_version": "x"}
    assert LabelInterface(xml).validate_prediction(body, return_errors=True) == []


def test_boxes_above_the_threshold_best_first() -> None:
    xml = config('<RectangleLabels name="b" toName="img"><Label value="A"/><Label value="B"/></RectangleLabels>')
    answer = shown(parse_label_config(xml), found(), STYLE, name)
    check(xml, answer.results)
    assert [result["value"]["rectanglelabels"] for result in answer.results] == [["A"], ["B"]]
    assert [result["id"] for result in answer.results] == [name(0), name(1)]
    assert answer.results[0]["value"]["x"] == 10.0
    assert answer.reason == "boxes: the model finds boxes"
    low = shown(parse_label_config(xml), found(), Style({"A": 0.2, "B": 0.8}, "auto", 0.01), name)
    assert [result["value"]["rectanglelabels"] for result in low.results] == [["A"], ["A"]]


def test_the_setting_overrides_the_form() -> None:
    labels = '<Label value="A"/><Label value="B"/>'
    xml = config(
        f'<RectangleLabels name="b" toName="img">{labels}</RectangleLabels>'
        f'<BrushLabels name="m" toName="img">{labels}</BrushLabels>'
        f'<PolygonLabels name="p" toName="img">{labels}</PolygonLabels>'
    )
    job = parse_label_config(xml)
    kinds = {}
    for way in ("auto", "boxes", "polygons", "brush"):
        answer = shown(job, found(masks=True), Style(0.5, way, 0.01), name)
        check(xml, answer.results)
        kinds[way] = {result["type"] for result in answer.results}
    assert kinds == {
        "auto": {"polygonlabels"},
        "boxes": {"rectanglelabels"},
        "polygons": {"polygonlabels"},
        "brush": {"brushlabels"},
    }


def test_labels_beside_their_tool_go_out_in_two() -> None:
    xml = config(
        '<Labels name="l" toName="img"><Label value="A"/><Label value="B"/></Labels>'
        '<Rectangle name="r" toName="img"/><Polygon name="p" toName="img"/>'
    )
    job = parse_label_config(xml)
    for masks, kind, tool in ((False, "rectangle", "r"), (True, "polygon", "p")):
        answer = shown(job, found(masks=masks), STYLE, name)
        check(xml, answer.results)
        first, second = answer.results[:2]
        assert (first["type"], first["from_name"], first["id"]) == (kind, tool, second["id"])
        assert (second["type"], second["from_name"], second["value"]["labels"]) == ("labels", "l", ["A"])


def test_classes_of_two_controls_are_both_shown() -> None:
    xml = config(
        '<RectangleLabels name="one" toName="img"><Label value="A"/></RectangleLabels>'
        '<RectangleLabels name="two" toName="img"><Label value="B"/></RectangleLabels>'
    )
    answer = shown(parse_label_config(xml), found(), STYLE, name)
    check(xml, answer.results)
    assert {(result["from_name"], *result["value"]["rectanglelabels"]) for result in answer.results} == {
        ("one", "A"),
        ("two", "B"),
    }


def test_a_class_that_the_config_lost_is_not_shown() -> None:
    xml = config('<RectangleLabels name="b" toName="img"><Label value="B"/><Label value="C"/></RectangleLabels>')
    answer = shown(parse_label_config(xml), found(), STYLE, name)
    check(xml, answer.results)
    assert [result["value"]["rectanglelabels"] for result in answer.results] == [["B"]]


def test_answers_over_other_classes_stay_distributions() -> None:
    moved = renamed(found(), ("C", "B"))
    np.testing.assert_allclose(moved.probs.sum(axis=2), 1, atol=1e-6)
    assert moved.probs.shape == (1, 3, 3)
    assert (moved.probs[..., 0] == 0).all()
    assert moved.probs[0, 1, 1] > moved.probs[0, 1, 2]
    assert renamed(found(), ("A", "B")).probs is not None
    only_gone = Found(Detections(SIZE, np.zeros((1, 4), np.float32), np.array([[[1, 0]]], np.float32)), ("A",))
    np.testing.assert_allclose(renamed(only_gone, ("Z",)).probs, [[[0, 1]]])
