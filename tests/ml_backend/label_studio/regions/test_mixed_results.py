"""Whole lists of results as annotators leave them: several controls, two images, relations, choices, any rotation."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ml_backend.label_studio.regions.orientation import upright_size
from ml_backend.label_studio.regions.results import Control, read_results, write_results
from ml_backend.label_studio.regions.shapes import Brush, Ellipse, Polygon, Rectangle, corners, mask_of
from training.geometry.polygons import TOLERANCE, outline
from training.geometry.runs import from_window, mask_iou, trim

CLASSES = ("cell", "debris")
CONTROLS = [
    Control("box", "img", "rectanglelabels", CLASSES),
    Control("poly", "img", "polygonlabels", CLASSES),
    Control("oval", "img", "ellipselabels", CLASSES),
    Control("second box", "img", "rectanglelabels", ("nucleus",)),
]
percent = st.floats(0, 100, allow_nan=False)
side = st.floats(0.01, 100, allow_nan=False)
VALUES: dict[str, Any] = {
    "rectanglelabels": st.fixed_dictionaries(
        {"x": percent, "y": percent, "width": side, "height": side, "rotation": st.floats(0, 359)}
    ),
    "ellipselabels": st.fixed_dictionaries(
        {"x": percent, "y": percent, "radiusX": side, "radiusY": side, "rotation": st.floats(0, 359)}
    ),
    "polygonlabels": st.fixed_dictionaries(
        {"points": st.lists(st.tuples(percent, percent).map(list), min_size=3, max_size=8), "closed": st.just(True)}
    ),
}


@st.composite
def region(draw: st.DrawFn, size: tuple[int, int], number: int) -> dict[str, Any]:
    """A region of one of the controls, with whatever else the editor may put beside it."""
    control = draw(st.sampled_from(CONTROLS))
    value = {**draw(VALUES[control.type]), control.type: [draw(st.sampled_from(control.classes))]}
    more = draw(
        st.fixed_dictionaries(
            {"image_rotation": st.sampled_from([0, 90, 180, 270])},
            optional={
                "score": st.floats(0, 1),
                "meta": st.just({"text": ["note"]}),
                "parentID": st.just("r0"),
                "hidden": st.booleans(),
                "origin": st.sampled_from(["manual", "prediction", "prediction-changed"]),
                "item_index": st.just(0),
            },
        )
    )
    frame = {"original_width": size[1], "original_height": size[0]}
    names = {"from_name": control.from_name, "to_name": control.to_name, "type": control.type}
    return {"id": f"r{number}", **names, **frame, **more, "value": value}


OTHERS = [
    {"type": "relation", "from_id": "r0", "to_id": "r1", "direction": "right", "labels": ["inside"]},
    {"id": "r0", "type": "choices", "from_name": "quality", "to_name": "img", "value": {"x": 1, "choices": ["good"]}},
    {"id": "r1", "type": "textarea", "from_name": "note", "to_name": "img", "value": {"text": ["odd"]}},
    {"id": "far", "type": "rectanglelabels", "from_name": "box", "to_name": "other image", "value": {"x": 1}},
    {"id": "kp", "type": "keypointlabels", "from_name": "kp", "to_name": "img", "value": {"x": 1, "y": 2}},
    {
        "id": "old",
        "type": "rectanglelabels",
        "from_name": "box",
        "to_name": "img",
        "value": {"x": 1, "y": 1, "width": 5, "height": 5, "rectanglelabels": ["vanished"]},
    },
    {"id": "bare"},
]
sizes = st.tuples(st.integers(1, 20_000), st.integers(1, 20_000))


@pytest.mark.slow
@given(sizes, st.data())
def test_known_regions_come_back_as_they_were_and_nothing_else_is_touched(
    size: tuple[int, int], data: st.DataObject
) -> None:
    regions: list[Any] = [data.draw(region(size, number)) for number in range(data.draw(st.integers(0, 6)))]
    others: list[Any] = data.draw(st.lists(st.sampled_from(OTHERS), max_size=6))
    order: list[tuple[int, Any]] = data.draw(
        st.permutations([(0, place) for place in regions] + [(1, place) for place in others])
    )
    results = [each for _, each in order]
    before = copy.deepcopy(results)
    reading = read_results(results, CONTROLS, size)
    assert results == before
    assert list(reading.untouched) == [each for kind, each in order if kind]
    assert len(reading.left_out) == sum(each.get("id") == "old" for each in others)
    back = write_results(reading.regions, size)
    for found, given_ in zip(back, [each for kind, each in order if not kind], strict=True):
        assert {key: value for key, value in found.items() if key != "value"} == {
            key: value for key, value in given_.items() if key != "value"
        }
        assert found["value"].keys() == given_["value"].keys()
        for key, value in found["value"].items():
            if key == "points":
                np.testing.assert_allclose(value, given_["value"][key], atol=1e-9)
            elif isinstance(value, float):
                assert value == pytest.approx(given_["value"][key], abs=1e-9)
            else:
                assert value == given_["value"][key]


@given(sizes, st.data())
def test_percent_becomes_pixels_within_a_thousandth(size: tuple[int, int], data: st.DataObject) -> None:
    drawn: Any = data.draw(region(size, 0))
    shape = read_results([drawn], CONTROLS, size).regions[0].shape
    value, (height, width) = drawn["value"], size
    if isinstance(shape, Polygon):
        expected = np.array(value["points"]) * (width, height) / 100
        np.testing.assert_allclose(corners(shape), expected, atol=1e-3)
    else:
        assert isinstance(shape, Rectangle | Ellipse)
        keys = ("width", "height") if isinstance(shape, Rectangle) else ("radiusX", "radiusY")
        found = [shape.x, shape.y]
        found += [shape.width, shape.height] if isinstance(shape, Rectangle) else [shape.radius_x, shape.radius_y]
        wanted = [value[key] * length / 100 for key, length in zip(("x", "y", *keys), (width, height) * 2, strict=True)]
        np.testing.assert_allclose(found, wanted, atol=1e-3)
    # The way the editor shows the picture changes no coordinate.
    turned = drawn | {"image_rotation": 90}
    assert read_results([turned], CONTROLS, size).regions[0].shape == shape


@given(st.integers(1, 8), st.integers(30, 60), st.integers(30, 60), st.data())
def test_regions_made_over_the_stored_picture_lie_on_the_same_pixels(
    orientation: int, height: int, width: int, data: st.DataObject
) -> None:
    stored = (height, width)
    size = upright_size(stored, orientation)
    value = {"x": 10.0, "y": 20.0, "width": 30.0, "height": 25.0, "rotation": data.draw(st.sampled_from([0.0, 15.0]))}
    drawn = {
        **{"id": "r", "from_name": "box", "to_name": "img", "type": "rectanglelabels"},
        **{"original_width": width, "original_height": height},
        "value": {**value, "rectanglelabels": ["cell"]},
    }
    if stored == size:
        # Told apart by their size alone: what has the upright picture's size stands for the upright picture.
        shape = read_results([drawn], CONTROLS, size, orientation=orientation).regions[0].shape
        assert shape == read_results([drawn], CONTROLS, size).regions[0].shape
    else:
        there = read_results([drawn], CONTROLS, size, orientation=orientation).regions[0]
        area = 0.3 * width * 0.25 * height
        covered = trim(mask_of(there.shape, size))[1].sum()
        assert covered == pytest.approx(area, abs=0.35 * width + 0.3 * height)
        again = read_results(write_results([there], size), CONTROLS, size, orientation=orientation).regions[0]
        np.testing.assert_allclose(list(vars(again.shape).values()), list(vars(there.shape).values()), atol=1e-6)


@given(st.integers(0, 2**32 - 1), st.sampled_from([0.002, TOLERANCE, 0.05]))
def test_an_outline_loses_no_more_than_its_tolerance(seed: int, tolerance: float) -> None:
    rng = np.random.default_rng(seed)
    rows, columns = np.mgrid[:80, :80] - 39.5
    angle = np.arctan2(rows, columns)
    wave = sum(rng.uniform(-0.12, 0.12) * np.cos(k * angle + rng.uniform(0, 6.3)) for k in range(2, 7))
    bitmap = (np.hypot(rows, columns) <= rng.uniform(4, 26) * (1 + wave)).astype(np.uint8)
    size = (200, 300)
    mask = from_window(bitmap, (100, 60), size)
    found = outline(bitmap, (100, 60), tolerance)
    shape = Polygon(tuple((float(x), float(y)) for x, y in found.points))
    assert mask_iou([mask_of(shape, size)], [mask])[0, 0] >= 1 - tolerance - 1e-9
    assert Brush(mask).mask == mask
