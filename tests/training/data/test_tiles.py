"""Tiles cover the image, and objects on seams come out once."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from training.data.tiles import merge, tiles
from training.geometry.boxes import iou, suppress


@pytest.mark.slow
@given(st.integers(1, 3000), st.integers(1, 3000), st.integers(40, 600), st.floats(0, 0.9))
def test_tiles_cover_everything_and_overlap(height: int, width: int, side: int, share: float) -> None:
    overlap = int(share * side)
    found = tiles((height, width), side, overlap)
    rows, columns = sorted({(t.y1, t.y2) for t in found}), sorted({(t.x1, t.x2) for t in found})
    assert len(found) == len(rows) * len(columns)
    for ends, length in ((rows, height), (columns, width)):
        assert ends[0][0] == 0
        assert ends[-1][1] == length
        assert all(stop - start == min(side, length) for start, stop in ends)
        # Rounding of evenly spread starts may take one pixel.
        assert all(first[1] - second[0] >= overlap - 1 for first, second in pairwise(ends))


@given(st.integers(0, 1000), st.integers(200, 500), st.integers(200, 500))
def test_every_object_survives_exactly_once(seed: int, height: int, width: int) -> None:
    rng = np.random.default_rng(seed)
    corner = rng.uniform(0, [width - 30, height - 30], size=(40, 2))
    objects = np.concatenate([corner, corner + rng.uniform(10, 30, size=(40, 2))], axis=1).astype(np.float32)
    objects = objects[suppress(objects, np.ones(len(objects)), 0.0)]
    windows = tiles((height, width), 120, 40)
    boxes, scores, classes = [], [], []
    for window in windows:
        limits = np.array([window.x1, window.y1, window.x2, window.y2], dtype=np.float32)
        cut = np.concatenate([np.maximum(objects[:, :2], limits[:2]), np.minimum(objects[:, 2:], limits[2:])], axis=1)
        seen = ((cut[:, 2:] - cut[:, :2]) > 4).all(axis=1)
        boxes.append(cut[seen])
        scores.append(rng.uniform(0.5, 1, size=int(seen.sum())).astype(np.float32))
        classes.append(np.zeros(int(seen.sum()), dtype=np.int64))
    kept = np.concatenate(boxes)[merge(boxes, scores, classes, windows, (height, width))]
    assert len(kept) == len(objects)
    assert (iou(objects, kept).max(axis=1) > 0.99).all()


def test_objects_of_different_classes_do_not_hide_each_other() -> None:
    windows = tiles((100, 150), 100, 50)
    box = np.array([[60, 20, 80, 40]], dtype=np.float32)
    one, two = np.zeros(1, dtype=np.int64), np.ones(1, dtype=np.int64)
    score = np.ones(1, dtype=np.float32)
    assert len(merge([box, box], [score, score], [one, two], windows, (100, 150))) == 2
    assert len(merge([box, box], [score, score], [one, one], windows, (100, 150))) == 1
    nothing = np.zeros((0, 4), dtype=np.float32)
    assert len(merge([nothing, nothing], [score[:0]] * 2, [one[:0]] * 2, windows, (100, 150))) == 0
