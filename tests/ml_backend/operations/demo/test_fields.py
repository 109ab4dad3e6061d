"""The demo fields: the same on every machine, with a truth that lies where the cells are."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from ml_backend.operations.demo.fields import CLASSES, FEWEST, HEIGHT, MOST, WIDTH, write_fields


def test_the_truth_lies_on_the_cells(tmp_path: Path) -> None:
    fields = write_fields(tmp_path, 8, seed=3)
    assert {name for field in fields for name in field.classes} == set(CLASSES)
    for field in fields:
        with Image.open(field.path) as image:
            assert image.size == (WIDTH, HEIGHT)
            grey = np.asarray(image.convert("L"), dtype=float)
        assert FEWEST <= len(field.boxes) <= MOST
        assert len(field.boxes) == len(field.outlines) == len(field.classes)
        assert (field.boxes[:, :2] >= 0).all()
        assert (field.boxes[:, 2:] <= (WIDTH, HEIGHT)).all()
        around = np.ones(grey.shape, dtype=bool)
        for x1, y1, x2, y2 in field.boxes.astype(int):
            around[y1:y2, x1:x2] = False
        for x1, y1, x2, y2 in field.boxes.astype(int):
            assert grey[y1:y2, x1:x2].mean() < grey[around].mean() - 10


def test_they_are_drawn_the_same_again_and_files_that_are_there_stay(tmp_path: Path) -> None:
    first, again = write_fields(tmp_path / "a", 2, seed=1), write_fields(tmp_path / "b", 2, seed=1)
    assert [field.path.read_bytes() for field in first] == [field.path.read_bytes() for field in again]
    first[0].path.write_bytes(b"mine")
    kept = write_fields(tmp_path / "a", 2, seed=1)
    assert kept[0].path.read_bytes() == b"mine"
    assert np.array_equal(kept[0].boxes, again[0].boxes)
    assert not np.array_equal(write_fields(tmp_path / "c", 1, seed=2)[0].boxes, first[0].boxes)
