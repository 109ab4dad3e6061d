"""Annotations of objects -> one confirmed set, and what its regions mean."""

from __future__ import annotations

import random
import re
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ml_backend.label_studio.config import LabelingJob, parse_label_config
from ml_backend.label_studio.regions.result import drawn_upright
from ml_backend.label_studio.regions.results import Region, write_results
from ml_backend.label_studio.regions.shapes import Polygon, Rectangle, Shape
from ml_backend.labels.classes import SKIPPED
from ml_backend.labels.object_regions import objects_on
from ml_backend.labels.objects import ELSEWHERE, confirm, count_objects
from ml_backend.state.records import AnnotationRow
from tests.field_cases.worlds import PYTHON_SPEAK

SIZE = (100, 200)
JOB = parse_label_config(
    '<View><Image name="img" value="$image"/>'
    '<RectangleLabels name="box" toName="img"><Label value="A"/><Label value="B"/><Label value="ignore"/>'
    '<Label value="searched" paploop="checked"/></RectangleLabels>'
    '<PolygonLabels name="line" toName="img"><Label value="A"/></PolygonLabels></View>'
)


@dataclass(frozen=True)
class Note:
    id: int
    task_id: int = 1
    completed_by: int | None = 1
    result: Any = field(default_factory=list)
    was_cancelled: bool = False
    ground_truth: bool = False
    updated_at: str = "2026-01-01T00:00:00Z"


def drawn(label: str, shape: Shape, control: int = 0, job: LabelingJob = JOB, region: str = "r") -> dict[str, Any]:
    return write_results([Region(region, label, shape, job.controls[control])], SIZE)[0]


def box(label: str, x: float = 10, y: float = 20, width: float = 30, height: float = 40) -> dict[str, Any]:
    return drawn(label, Rectangle(x, y, width, height))


def test_the_annotation_that_was_changed_last_counts_as_a_whole() -> None:
    old = Note(1, result=[box("A"), box("B")], updated_at="2026-01-01T00:00:05Z")
    new = Note(2, completed_by=2, result=[box("B")], updated_at="2026-01-01T00:00:05.5Z")
    assert confirm([new, old], JOB).results[1] == [box("B")]


def test_ground_truth_wins_and_a_skip_says_nothing() -> None:
    truth = Note(1, result=[box("A")], ground_truth=True)
    later = Note(2, result=[box("B")], updated_at="2026-06-01T00:00:00Z")
    skip = Note(3, was_cancelled=True, updated_at="2026-07-01T00:00:00Z")
    assert confirm([later, truth, skip], JOB).results == {1: [box("A")]}
    assert confirm([later, skip], JOB).results == {1: [box("B")]}
    only = confirm([skip], JOB)
    assert (only.results, only.left_out) == ({}, {1: SKIPPED})


def test_an_empty_annotation_says_that_there_is_nothing() -> None:
    confirmed = confirm([Note(1)], JOB)
    assert confirmed.results == {1: []}
    known = objects_on(confirmed.results[1], JOB, SIZE)
    assert (len(known.boxes), known.checked, len(known.ignore)) == (0, None, 0)


@given(st.lists(st.builds(Note, id=st.integers(1, 50), ground_truth=st.booleans(), was_cancelled=st.booleans())))
@settings(deadline=None, derandomize=True)
def test_the_order_of_annotations_does_not_matter(notes: list[Note]) -> None:
    unique = list({note.id: note for note in notes}.values())
    mixed = random.Random(0).sample(unique, len(unique))
    assert confirm(unique, JOB) == confirm(mixed, JOB)


def test_regions_by_what_they_mean() -> None:
    foreign = box("A") | {"value": {**box("A")["value"], "rectanglelabels": ["gone"]}}
    unlabelled = box("A") | {"value": {k: v for k, v in box("A")["value"].items() if k != "rectanglelabels"}}
    results = [box("B"), box("ignore", 50), box("searched", 0, 0, 100, 100), foreign, unlabelled]
    known = objects_on(results, JOB, SIZE)
    np.testing.assert_allclose(known.boxes, [[10, 20, 40, 60]], atol=1e-3)
    assert known.classes.tolist() == [1]
    np.testing.assert_allclose(known.ignore, [[50, 20, 80, 60], [10, 20, 40, 60]], atol=1e-3)
    np.testing.assert_allclose(known.checked, [[0, 0, 100, 100]], atol=1e-3)
    said = " ".join(known.left_out)
    assert "'gone', which is not in the config" in said
    assert "has no label" in said
    assert count_objects([results], JOB) == {"A": 0, "B": 1}


def at(**value: Any) -> dict[str, Any]:
    """A box of class A with other numbers."""
    return box("A") | {"value": {**box("A")["value"], **value}}


@pytest.mark.parametrize(
    "unread",
    [
        box("A", x=500),
        at(width=None),
        at(height=[3]),
        at(x=True),
        at(y="1,5"),
        at(width=1e300),
        at(x=float("nan")),
        at(rle=[0, 0, 0, 4, 0, 0, 0, 1]),
        at(rle={"size": [100, 200], "counts": "PPYo0"}),
        at(rle=10**18),
        at(rle=[999, -1]),
        at(points=[[10, 10, 1], [40, 10, 1], [40, 40, 1]]),
        at(points=[]),
        at(points=[[1, 1], [5, 5]]),
        box("A") | {"value": []},
        box("A") | {"from_name": "box of before", "value": {}},
    ],
)
def test_a_region_whose_place_is_unknown_is_no_background(unread: dict[str, Any]) -> None:
    known = objects_on([box("B"), box("searched", 0, 0, 100, 100), unread], JOB, SIZE)
    np.testing.assert_allclose(known.boxes, [[10, 20, 40, 60]], atol=1e-3)
    assert known.checked is not None
    assert len(known.checked) == 0, "no place is known to be background"
    assert not known.says_nothing
    assert len(known.left_out) == 1
    assert not re.search(PYTHON_SPEAK, known.left_out[0])
    assert objects_on([unread], JOB, SIZE).says_nothing


def test_regions_of_controls_that_are_gone_are_ignored_where_they_lie() -> None:
    renamed = box("A") | {"from_name": "box of before"}
    of_another_kind = box("A") | {"type": "ellipselabels"}
    value = {"x": 25, "y": 50, "radiusX": 5, "radiusY": 10, "ellipselabels": ["A"]}
    known = objects_on([box("B"), renamed, of_another_kind | {"value": value}], JOB, SIZE)
    np.testing.assert_allclose(known.ignore, [[10, 20, 40, 60], [40, 40, 60, 60]], atol=1e-3)
    assert (len(known.boxes), known.checked) == (1, None)
    assert all("no longer has in that form" in sentence for sentence in known.left_out)


def test_outlines_are_masks_and_boxes_are_none() -> None:
    triangle = drawn("A", Polygon(((10, 10), (60, 10), (10, 60))), control=1)
    known = objects_on([triangle, box("B")], JOB, SIZE)
    assert [mask is None for mask in known.masks] == [False, True]
    assert known.classes.tolist() == [0, 1]


def test_regions_without_a_pixel_inside_of_the_image_are_named() -> None:
    far, flat = drawn("A", Rectangle(250, 10, 5, 5)), drawn("A", Rectangle(10, 10, 0, 5))
    thin = drawn("A", Polygon(((1.0, 1.1), (4.0, 1.2), (4.0, 1.3))), control=1)
    edge, one = drawn("A", Rectangle(190, 90, 50, 50)), drawn("A", Rectangle(7, 7, 1, 1))
    known = objects_on([far, flat, thin, edge, one], JOB, SIZE)
    np.testing.assert_allclose(known.boxes, [[190, 90, 200, 100], [7, 7, 8, 8]], atol=1e-3)
    assert len(known.left_out) == 3
    assert all("does not cover any pixel of the image" in sentence for sentence in known.left_out)


@pytest.mark.parametrize(
    "junk",
    [
        {},
        {"from_name": "box", "to_name": "img", "type": "rectanglelabels"},
        {
            "from_name": "box",
            "to_name": "img",
            "type": "rectanglelabels",
            "value": {"rectanglelabels": ["A"], "x": "a"},
        },
        {"from_name": "box", "to_name": "img", "type": "rectanglelabels", "value": []},
        {"type": "relation", "from_id": "a", "to_id": "b"},
        {"from_name": None, "to_name": 3, "type": [], "value": {"choices": ["x"]}},
    ],
)
def test_what_cannot_be_read_is_passed_over(junk: dict[str, Any]) -> None:
    known = objects_on([junk, box("A")], JOB, SIZE)
    assert len(known.boxes) == 1


def test_a_box_over_the_unturned_picture_lands_on_the_upright_one() -> None:
    result = {**box("A", 0, 0, 20, 10), "original_width": 100, "original_height": 200}
    result["value"] = {**result["value"], "x": 0, "y": 0, "width": 10, "height": 5}
    known = objects_on([result], JOB, SIZE, orientation=6)
    np.testing.assert_allclose(known.boxes, [[190, 0, 200, 10]], atol=1e-3)


def test_an_annotation_of_another_config_is_no_negative() -> None:
    choice = {"from_name": "kind", "to_name": "img", "type": "choices", "value": {"choices": ["A"]}}
    assert confirm([Note(1, result=[choice])], JOB).left_out == {1: ELSEWHERE}
    with_remark = parse_label_config(
        '<View><Image name="img" value="$image"/><Choices name="kind" toName="img"><Choice value="blurred"/></Choices>'
        '<RectangleLabels name="box" toName="img"><Label value="A"/></RectangleLabels></View>'
    )
    assert confirm([Note(1, result=[choice])], with_remark).results == {1: [choice]}


def test_a_region_that_nobody_labeled_is_no_background() -> None:
    job = parse_label_config(
        '<View><Image name="img" value="$image"/><Labels name="l" toName="img"><Label value="A"/></Labels>'
        '<Rectangle name="r" toName="img"/></View>'
    )
    value = {"x": 10, "y": 10, "width": 10, "height": 20, "rotation": 0}
    tool = {"from_name": "r", "to_name": "img", "type": "rectangle", "id": "one", "value": value}
    label = {**tool, "from_name": "l", "type": "labels", "value": {**value, "labels": ["A"]}}
    known = objects_on([tool, label, {**tool, "id": "two"}], job, SIZE)
    assert (len(known.boxes), len(known.ignore)) == (1, 1)
    assert "has no label" in known.left_out[0]


@pytest.mark.parametrize("odd", [["a"], {"a": 1}, [[1]], 1.5, None])
@pytest.mark.parametrize("field", ["id", "from_name", "to_name", "type", "original_width", "original_height"])
def test_a_field_of_any_kind_leaves_the_other_regions_readable(field: str, odd: Any) -> None:
    job = parse_label_config(
        '<View><Image name="image" value="$image"/><Labels name="l" toName="image"><Label value="A"/></Labels>'
        '<Rectangle name="r" toName="image"/></View>'
    )
    value = {"x": 10, "y": 10, "width": 20, "height": 20, "rotation": 0}
    fine = [
        {"id": "b", "from_name": "r", "to_name": "image", "type": "rectangle", "value": value},
        {"id": "b", "from_name": "l", "to_name": "image", "type": "labels", "value": {**value, "labels": ["A"]}},
    ]
    results = [{**fine[0], "id": "a", field: odd}, *fine]
    assert drawn_upright(results, (60, 80)) in (True, False)
    assert len(objects_on(results, job, (60, 80)).boxes) == 1
    confirm([AnnotationRow(1, 1, result=results, updated_at="2026-01-01T00:00:00Z")], job)
