"""Smart tools: the outline of what the expert points at, in the control that holds it, from the first image on."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import pytest

from tests.ml_backend.web.conftest import WebWorld, recorded
from tests.ml_backend.web.drawings import (
    AROUND,
    BRUSH,
    CONFIG,
    POLYGON,
    ask,
    box,
    disc,
    drawn_mask,
    point,
    with_picture,
)
from training.geometry.runs import mask_iou, pixels, trim


@pytest.fixture
def project(world: WebWorld, tmp_path: Path) -> WebWorld:
    """Project 8 with one picture, task 1."""
    return with_picture(world, tmp_path)


@pytest.mark.parametrize(
    "drawn", [[AROUND], [box(70, 69, -40, -38)], [point(50, 50)], [point(45, 45), point(55, 52, id="kp2")]]
)
def test_before_any_model_the_outline_comes_from_the_colours(project: WebWorld, drawn: list[Any]) -> None:
    element = ask(project, *drawn)
    region = element["result"][0]
    assert (region["from_name"], region["type"]) == ("poly", "polygonlabels")
    assert region["value"]["polygonlabels"] == ["cell"]
    assert (region["original_width"], region["original_height"], region["image_rotation"]) == (320, 240, 0)
    assert region["meta"]["text"] == ["PapLoop smart tool: outline by colours."]
    assert "score" not in region
    assert mask_iou([drawn_mask(element, POLYGON)], [disc()])[0, 0] > 0.9


def test_the_label_is_kept_and_the_same_drawing_gives_the_same_region(project: WebWorld) -> None:
    first, second = (ask(project, box(30, 31, 40, 38, "debris")) for _ in range(2))
    assert first["result"][0]["value"]["polygonlabels"] == ["debris"]
    assert first == second
    assert ask(project, AROUND)["result"][0]["id"] != first["result"][0]["id"]


def test_nothing_leaves_the_box(project: WebWorld) -> None:
    (x, _), bitmap = trim(drawn_mask(ask(project, box(30, 31, 20, 38)), POLYGON))
    assert x >= 95
    assert x + bitmap.shape[1] <= 161


def test_a_point_outside_of_the_object_takes_part_of_it_away(project: WebWorld) -> None:
    whole = ask(project, AROUND)
    less = ask(project, AROUND, point(33, 50, is_positive=False))
    assert pixels(drawn_mask(less, POLYGON)) < pixels(drawn_mask(whole, POLYGON))


def test_the_answer_takes_the_form_that_the_config_has(project: WebWorld) -> None:
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
        ([], "contains no region"),
        (["text", None, {"value": 3}], "contains no region"),
        ([box(30, 31, 0, 38)], "less than a pixel"),
        ([box(130, 31, 20, 38)], "less than a pixel"),
        ([box(-60, 31, 20, 38)], "less than a pixel"),
        ([box(NAN, 31, 20, 38)], "shape of a region"),
        ([box("1e999", 31, 20, 38)], "not finite"),
        ([box(30, 31, 1e308, 1e308, id="huge") | {"value": {"x": 1}}], "shape of a region"),
        ([point(NAN, 50)], "position of the point"),
        ([point("left", 50)], "position of the point"),
        ([point(101, 50)], "outside the image"),
        ([point(50, 50, is_positive=False)], "Only points outside"),
        ([box(30, 31, 40, 38, "unknown")], "has the label 'unknown'"),
        ([AROUND | {"to_name": "other"}], "Nothing is drawn on the image 'img'"),
        ([AROUND | {"value": {**AROUND["value"], "rectanglelabels": []}}], "No label is selected"),
    ],
)
def test_what_cannot_be_outlined_is_a_sentence_in_the_log(
    project: WebWorld, caplog: pytest.LogCaptureFixture, drawn: list[Any], reason: str
) -> None:
    with caplog.at_level(logging.WARNING):
        element = ask(project, *drawn)
    assert element == {"model_version": "paploop-none", "score": 1.0, "result": []}
    assert reason in caplog.text
    assert "Traceback" not in caplog.text


def test_of_two_boxes_the_newest_counts_and_a_broken_one_hides_no_good_one(project: WebWorld) -> None:
    newest = ask(project, box(1, 1, 10, 10, id="old"), AROUND)
    assert mask_iou([drawn_mask(newest, POLYGON)], [disc()])[0, 0] > 0.9
    good = ask(project, AROUND, box(NAN, 1, 1, 1, id="broken"))
    assert mask_iou([drawn_mask(good, POLYGON)], [disc()])[0, 0] > 0.9


@pytest.mark.parametrize("context", [{"result": None}, {"result": {}}, [1], "text", 7])
def test_contexts_that_are_none(project: WebWorld, context: Any) -> None:
    assert ask(project, context=context)["result"] == []


@pytest.mark.slow
def test_boxes_at_the_edge_over_everything_and_of_one_pixel(project: WebWorld) -> None:
    for drawn in (box(0, 0, 100, 100), box(-20, -20, 50, 60), box(50, 50, 0.32, 0.42), box(99.5, 99.5, 5, 5)):
        assert pixels(drawn_mask(ask(project, drawn), POLYGON)) >= 1
    for x, y in ((0, 0), (100, 100), (99.9, 0.1)):
        assert pixels(drawn_mask(ask(project, point(x, y)), POLYGON)) >= 1


def test_a_task_or_picture_that_is_not_there(
    project: WebWorld, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    assert ask(project, AROUND, task="text")["result"] == []
    assert ask(project, AROUND, task={"id": 99, "data": {}})["result"] == []
    (tmp_path / "cell.png").write_bytes(b"no picture")
    assert ask(project, AROUND)["result"] == []
    (tmp_path / "cell.png").unlink()
    assert ask(project, AROUND)["result"] == []
    assert "Traceback" not in caplog.text


def test_the_recorded_requests_of_label_studio(project: WebWorld) -> None:
    body = recorded("ml_predict_interactive_rectangle")["request"]["body"]
    body["project"] = "8.1"
    body["tasks"][0]["id"] = 1
    (region,) = project.call("/predict", body).json["results"][0]["result"]
    assert region["value"]["brushlabels" if region["type"] == "brushlabels" else "rectanglelabels"] == ["Cat"]
