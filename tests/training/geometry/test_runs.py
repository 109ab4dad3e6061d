"""Run-length masks and polygons against plain pixels and pycocotools."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from pycocotools import mask as coco_mask

from training.geometry import runs
from training.geometry.polygons import fill, outline, trace
from training.types import TrainingError

bitmaps = st.tuples(st.integers(1, 24), st.integers(1, 24)).flatmap(
    lambda shape: arrays(np.uint8, shape, elements=st.integers(0, 1))
)


def packed(bitmap: Any) -> runs.Runs:
    code = coco_mask.encode(np.asfortranarray(bitmap))
    return {"size": list(bitmap.shape), "counts": code["counts"].decode()}


@given(bitmaps)
def test_windows_and_codes_are_those_of_pycocotools(bitmap: Any) -> None:
    code = packed(bitmap)
    height, width = bitmap.shape
    np.testing.assert_array_equal(runs.window(code, (0, 0, width, height)), bitmap)
    assert runs.from_window(bitmap, (0, 0), bitmap.shape) == code
    assert runs.pixels(code) == int(bitmap.sum())
    (x, y), tight = runs.trim(code)
    if bitmap.any():
        assert runs.from_window(tight, (x, y), bitmap.shape) == code
        assert tight[0].any()
        assert tight[-1].any()
        assert tight[:, 0].any()
        assert tight[:, -1].any()
    else:
        assert runs.box_of(code) is None
        assert tight.size == 0


@given(bitmaps, st.integers(-6, 20), st.integers(-6, 20), st.integers(1, 20), st.integers(1, 20))
def test_parts_outside_of_the_image_are_cut_off(bitmap: Any, x: int, y: int, height: int, width: int) -> None:
    wide = np.zeros((64, 64), dtype=np.uint8)
    wide[y + 8 : y + 8 + bitmap.shape[0], x + 8 : x + 8 + bitmap.shape[1]] = bitmap
    expected = wide[8 : 8 + height, 8 : 8 + width]
    found = runs.from_window(bitmap, (x, y), (height, width))
    np.testing.assert_array_equal(runs.window(found, (0, 0, width, height)), expected)


@pytest.mark.parametrize(
    "code",
    [
        {"size": [4, 4], "counts": "~~~"},
        {"size": [4, 4], "counts": [3, 2]},
        {"size": [4, 4], "counts": [20, -4]},
        {"counts": "04"},
        {"size": [4, 4], "counts": "P"},
        {"size": [4, 4], "counts": "ü"},
    ],
)
def test_broken_codes_are_a_sentence(code: dict[str, Any]) -> None:
    with pytest.raises(TrainingError, match=r"mask.*[Ee]xport"):
        runs.counts_of(code)


@given(bitmaps)
def test_a_traced_outline_filled_again_is_its_part(bitmap: Any) -> None:
    rings = trace(bitmap)
    window = (0, 0, bitmap.shape[1], bitmap.shape[0])
    together = np.zeros_like(bitmap)
    for ring in rings:
        together |= fill(ring, window)
    # Outer outlines cover every pixel; what they cover beyond are holes.
    assert (together >= bitmap).all()
    assert bool(rings) == bool(bitmap.any())


@given(st.integers(3, 30), st.integers(3, 30), st.floats(0.0, 6.2), st.sampled_from([0.0, 0.01, 0.05]))
def test_simplified_outlines_keep_their_tolerance(a: int, b: int, turn: float, tolerance: float) -> None:
    rows, columns = np.mgrid[:70, :70] - 35.0
    along, across = columns * np.cos(turn) + rows * np.sin(turn), rows * np.cos(turn) - columns * np.sin(turn)
    bitmap = ((along / a) ** 2 + (across / b) ** 2 <= 1).astype(np.uint8)
    found = outline(bitmap, (0, 0), tolerance)
    filled = fill(found.points, (0, 0, 70, 70))
    shared = int((filled & bitmap).sum()) / int((filled | bitmap).sum())
    assert found.iou == pytest.approx(shared)
    assert shared >= 1 - tolerance


def test_holes_and_parts_lower_the_stated_fit() -> None:
    bitmap = np.zeros((12, 12), dtype=np.uint8)
    bitmap[1:9, 1:9] = 1
    bitmap[3:6, 3:6] = 0
    assert outline(bitmap).iou == pytest.approx(55 / 64)
    bitmap[:] = 0
    bitmap[0, 0] = bitmap[5:, 5:] = 1
    assert outline(bitmap).iou == pytest.approx(49 / 50, abs=0.01)
    single = outline(bitmap[:1, :1], (7, 3))
    assert fill(single.points, (0, 0, 12, 12))[3, 7] == 1
    assert fill(single.points, (0, 0, 12, 12)).sum() == 1
