"""Brush masks and turned boxes as Label Studio's converter writes them in the forms of others."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

from ml_backend.errors import BadRequest
from ml_backend.intake.label_files.exported import labels_in, objects
from tests.ml_backend.intake.label_files.test_round_trip import (
    BRUSH,
    DRAWN,
    boxes_on,
    exported,
    fresh,
    labels_by_name,
    put,
    rectangle,
)
from tests.ml_backend.intake.label_files.world import IMAGE, OUTLINES
from training.data.importers.objects import read_objects
from training.geometry.runs import pixels

TURNABLE = (
    f'{IMAGE}<RectangleLabels name="box" toName="image" canRotate="true">'
    '<Label value="Cell"/><Label value="Debris"/></RectangleLabels></View>'
)
TURNED = [[rectangle("t", "Cell", 50, 30)], [], [rectangle("r", "Cell", 50)]]
AROUND = [31, 6, 57.32, 31.59]
"""20 x 18 px from (40, 6), turned by 30 degrees about that corner."""


def test_brush_labels_in_a_coco_file(tmp_path: Path) -> None:
    world = fresh(tmp_path, DRAWN)
    out = exported(tmp_path, DRAWN, [[BRUSH], [], [BRUSH]], "BRUSH_TO_COCO")
    put(world, out)
    got = labels_by_name(world)
    assert (got["my cell 1.png"], got["turned.jpg"], got["skipped.png"]) == ([["Debris"]], [["Debris"]], [])
    assert [boxes_on(world, number) for number in (1, 3)] == [[pytest.approx([40, 30, 70, 50], abs=1)]] * 2
    shutil.copytree(tmp_path / "uploads" / "1", out / "images", dirs_exist_ok=True)
    data = read_objects(objects(labels_in(out)))
    assert [image.boxes.tolist() for image in data.images] == [[[40, 30, 70, 50]]] * 2
    for image in data.images:
        assert image.masks is not None
        # The outline runs through the middle of the outermost pixels.
        assert pixels(image.masks[0]) == pytest.approx(600, abs=55)
    world.services.store.close()


@pytest.mark.parametrize(("config", "kind"), [(TURNABLE, "rectanglelabels"), (OUTLINES, "polygonlabels")])
def test_turned_boxes_of_yolo(tmp_path: Path, config: str, kind: str) -> None:
    world = fresh(tmp_path, config)
    out = exported(tmp_path, TURNABLE, TURNED, "YOLO_OBB_WITH_IMAGES")
    put(world, out)
    made: dict[int, list[dict[str, Any]]] = {
        task: world.fake.state.annotations_of(task)[0]["result"] for task in (1, 2, 3)
    }
    assert [region["type"] for region in made[1]] == [kind]
    assert made[2] == []
    data = read_objects(objects(labels_in(out)))
    around = {image.name[9:]: image.boxes.tolist() for image in data.images}
    assert around["my_cell_1.png"] == [pytest.approx(AROUND, abs=0.1)]
    assert around["turned.jpg"] == [pytest.approx([40, 6, 60, 24], abs=0.1)]
    value = made[1][0]["value"]
    if kind == "polygonlabels":
        xs, ys = ([point[axis] for point in value["points"]] for axis in (0, 1))
        sides = min(xs), min(ys), max(xs), max(ys)
    else:
        sides = value["x"], value["y"], value["x"] + value["width"], value["y"] + value["height"]
    drawn = [side * share for side, share in zip(sides, (0.8, 0.6, 0.8, 0.6), strict=True)]
    assert drawn == pytest.approx(AROUND, abs=1.1)
    world.services.store.close()


@pytest.mark.parametrize("form", ["BRUSH_TO_PNG", "BRUSH_TO_NUMPY"])
def test_masks_that_name_no_image_are_refused_in_words(tmp_path: Path, form: str) -> None:
    world = fresh(tmp_path, DRAWN)
    # The converter expects the folder.
    (tmp_path / "out").mkdir()
    out = exported(tmp_path, DRAWN, [[BRUSH]], form)
    assert [path.name.split("-by-")[0] for path in out.iterdir()] == ["task-1-annotation-1"]
    with pytest.raises(BadRequest, match="Export JSON or 'Brush labels to COCO'"):
        put(world, out)
    with pytest.raises(BadRequest, match="do not say which image"):
        labels_in(out)
    assert not any(labels_by_name(world).values())
    world.services.store.close()
