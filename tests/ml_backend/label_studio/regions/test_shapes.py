"""Label Studio's regions and pixels: exact both ways at any size, rotation and EXIF orientation."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from label_studio_sdk.converter import brush as sdk_brush
from PIL import Image, ImageOps

from ml_backend.errors import BadRequest
from ml_backend.label_studio.regions.brush import decode_brush, encode_brush
from ml_backend.label_studio.regions.orientation import upright, upright_size
from ml_backend.label_studio.regions.shapes import (
    Brush,
    Ellipse,
    Polygon,
    Rectangle,
    Shape,
    bounding_box,
    mask_of,
    shape_of,
    value_of,
)
from training.geometry.runs import from_window, pixels, window

sizes = st.tuples(st.integers(1, 5000), st.integers(1, 5000))
coordinate = st.floats(0, 100, allow_nan=False)
sided = st.floats(0.01, 100, allow_nan=False)
rectangles = st.fixed_dictionaries(
    {"x": coordinate, "y": coordinate, "width": sided, "height": sided, "rotation": st.floats(0, 359.9)}
)
ellipses = st.fixed_dictionaries(
    {"x": coordinate, "y": coordinate, "radiusX": sided, "radiusY": sided, "rotation": st.floats(0, 359.9)}
)
polygons = st.fixed_dictionaries(
    {"points": st.lists(st.tuples(coordinate, coordinate).map(list), min_size=3, max_size=20), "closed": st.just(True)}
)
bitmaps = st.tuples(st.integers(1, 30), st.integers(1, 30)).flatmap(
    lambda shape: arrays(np.uint8, shape, elements=st.integers(0, 1))
)


def close(first: Any, second: Any) -> None:
    assert first.keys() == second.keys()
    for key in first:
        if key == "points":
            np.testing.assert_allclose(first[key], second[key], atol=1e-9)
        elif isinstance(first[key], float):
            assert first[key] == pytest.approx(second[key], abs=1e-9)
        else:
            assert first[key] == second[key]


@given(st.one_of(rectangles, ellipses, polygons), sizes)
def test_percent_to_pixels_and_back_is_exact(value: dict[str, Any], size: tuple[int, int]) -> None:
    close(value_of(shape_of(value, size), size), value)


@given(bitmaps)
def test_the_brush_code_is_the_one_of_the_sdk(bitmap: Any) -> None:
    mask = from_window(bitmap, (0, 0), bitmap.shape)
    code = encode_brush(mask)
    assert code == list(sdk_brush.mask2rle(bitmap * 255))
    alpha = sdk_brush.decode_rle(code).reshape(*bitmap.shape, 4)[:, :, 3]
    np.testing.assert_array_equal(alpha, bitmap * 255)
    assert decode_brush(code, bitmap.shape) == mask


@given(bitmaps, st.integers(0, 255))
def test_brushes_of_any_colour_are_read_by_their_alpha(bitmap: Any, red: int) -> None:
    rgba = np.zeros((*bitmap.shape, 4), dtype=np.uint8)
    rgba[:, :, 0], rgba[:, :, 3] = red, bitmap * 200
    code = sdk_brush.encode_rle(rgba.ravel())
    assert decode_brush(code, bitmap.shape) == from_window(bitmap, (0, 0), bitmap.shape)


def test_runs_longer_than_the_code_can_count() -> None:
    bitmap = np.ones((300, 400), dtype=np.uint8)
    bitmap[100:200] = 0
    code = encode_brush(from_window(bitmap, (0, 0), bitmap.shape))
    assert code == list(sdk_brush.mask2rle(bitmap * 255))
    assert decode_brush(code, bitmap.shape) == from_window(bitmap, (0, 0), bitmap.shape)


@pytest.mark.parametrize("code", [[], [1, 2, 3], [0, 0, 0, 64, 59, 0], ["x"], [0, 0, 0, 16, 57, 0, 0, 0]])
def test_a_damaged_brush_is_a_sentence(code: list[Any]) -> None:
    with pytest.raises(BadRequest, match="brush region"):
        decode_brush(code, (4, 4))


@given(st.integers(20, 60), st.integers(20, 60), st.integers(1, 8), st.data())
@settings(max_examples=60)
def test_exif_orientation_moves_shapes_as_pixels(
    height: int, width: int, orientation: int, data: st.DataObject
) -> None:
    shape = data.draw(
        st.sampled_from(
            [
                Rectangle(3, 4, 9, 6),
                Rectangle(9, 3, 8, 5, rotation=30),
                Ellipse(10, 9, 6, 3, rotation=20),
                Polygon(((2, 3), (15, 4), (8, 14))),
                Brush(from_window(np.tri(7, 9, dtype=np.uint8), (3, 2), (height, width))),
            ]
        )
    )
    drawn = window(mask_of(shape, (height, width)), (0, 0, width, height)) * 255
    file = io.BytesIO()
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.fromarray(drawn).save(file, "PNG", exif=exif)
    shown = np.asarray(ImageOps.exif_transpose(Image.open(file))) > 0
    size = upright_size((height, width), orientation)
    assert shown.shape == size
    moved = upright(shape, (height, width), orientation)
    found = window(mask_of(moved, size), (0, 0, size[1], size[0])) > 0
    # Pixel centres that lie exactly on a line may change sides when the line is turned.
    assert int((found != shown).sum()) <= 2


@given(st.floats(0, 359), st.floats(2, 20), st.floats(2, 20))
def test_rotation_keeps_the_area(rotation: float, width: float, height: float) -> None:
    size = (100, 100)
    shapes: list[tuple[Shape, float]] = [
        (Rectangle(50, 50, width, height, rotation), width * height),
        (Ellipse(50, 50, width, height, rotation), np.pi * width * height),
    ]
    for shape, area in shapes:
        covered = pixels(mask_of(shape, size))
        assert covered == pytest.approx(area, rel=0.05, abs=2.5 * (width + height))
        box = bounding_box(shape, size)
        assert box is not None
        rows, columns = np.nonzero(window(mask_of(shape, size), (0, 0, 100, 100)))
        if len(rows):
            tight = np.array([columns.min(), rows.min(), columns.max() + 1, rows.max() + 1])
            assert np.abs(tight - box).max() <= 2 + 0.05 * max(width, height)


def test_a_rectangle_turns_clockwise_around_its_corner() -> None:
    box = bounding_box(Rectangle(10, 10, 6, 2, rotation=90), (40, 40))
    np.testing.assert_allclose(box, [8, 10, 10, 16], atol=1e-5)


def test_a_mask_of_a_huge_image_costs_what_its_shape_costs() -> None:
    size = (50_000, 50_000)
    mask = mask_of(Rectangle(49_000, 49_000, 20, 10), size)
    assert pixels(mask) == 200
    np.testing.assert_array_equal(bounding_box(Brush(mask), size), [49_000, 49_000, 49_020, 49_010])


@pytest.mark.parametrize(
    "value",
    [
        {},
        {"x": 1, "y": 2, "width": "wide", "height": 3},
        {"points": [[1, 2], [3, 4]]},
        {"points": [[1, 2], [3, 4], [5]]},
        {"x": float("nan"), "y": 2, "width": 3, "height": 3},
        {"x": 1, "y": 2, "radiusX": float("inf"), "radiusY": 1},
        {"rle": "text"},
    ],
)
def test_shapes_that_are_none_are_a_sentence(value: dict[str, Any]) -> None:
    with pytest.raises(BadRequest):
        shape_of(value, (10, 10))
