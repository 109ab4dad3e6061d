"""Exported files as other programs read them: category ids, crowds, turned boxes, negatives, and what is left out."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from ml_backend.label_studio.config import parse_label_config
from ml_backend.labels.coco_export import coco_of
from ml_backend.labels.coco_file import Coco
from ml_backend.state.records import AnnotationRow, NewItem
from tests.fakes.world import NOW
from tests.ml_backend.intake.label_files.world import IMAGE, ImportWorld, make
from tests.training.data.coco_files import write_coco
from training.data.coco import read_coco_file

TWO = '<Label value="A"/><Label value="B"/>'


def config(labels: str = TWO) -> str:
    return f'{IMAGE}<RectangleLabels name="box" toName="image">{labels}<Label value="ignore"/></RectangleLabels></View>'


def box(name: str, label: str, x: float = 10, size: tuple[int, int] = (60, 80), **more: float) -> dict[str, Any]:
    value = {"x": x, "y": 20, "width": 20, "height": 30, "rotation": 0, **more, "rectanglelabels": [label]}
    sizes = {"original_height": size[0], "original_width": size[1]}
    return {"id": name, "from_name": "box", "to_name": "image", "type": "rectanglelabels", **sizes, "value": value}


def annotate(world: ImportWorld, results: dict[int, list[Any]], cancelled: tuple[int, ...] = ()) -> None:
    rows = [
        AnnotationRow(task, task, 1, found, was_cancelled=task in cancelled, updated_at="2026-11-21T09:00:00Z")
        for task, found in results.items()
    ]
    world.services.store.labels.upsert(world.project, rows, NOW)


def exported(world: ImportWorld, labels: str = TWO) -> Coco:
    return coco_of(
        world.services.store,
        world.services.images,
        world.project,
        parse_label_config(config(labels)),
        now=world.services.clock(),
    )


def test_a_class_keeps_its_number_whatever_the_config_does(tmp_path: Path) -> None:
    world = make(tmp_path, config())

    def numbers(*names: str) -> dict[str, int]:
        labels = "".join(f'<Label value="{name}"/>' for name in names)
        return {entry["name"]: entry["id"] for entry in exported(world, labels).categories}

    assert numbers("B", "A", "C") == {"B": 1, "A": 2, "C": 3}
    assert numbers("D", "A", "B", "C") == {"B": 1, "A": 2, "C": 3, "D": 4}
    assert numbers("E", "C") == {"C": 3, "E": 5}
    assert numbers("A", "E", "C") == {"A": 2, "C": 3, "E": 5}
    world.services.store.close()


def test_the_usual_evaluation_counts_nothing_inside_an_ignore_region_of_any_class(tmp_path: Path) -> None:
    world = make(tmp_path, config(), 1)
    annotate(world, {1: [box("b", "B", 60), box("i", "ignore")]})
    file = tmp_path / "out.json"
    file.write_text(json.dumps(exported(world).as_dict()))
    truth = COCO(str(file))
    assert {crowd["category_id"] for crowd in truth.loadAnns(truth.getAnnIds(iscrowd=True))} == {1, 2}
    found = [
        {"image_id": 1, "category_id": 2, "bbox": [48, 12, 16, 18], "score": 0.5},
        {"image_id": 1, "category_id": 2, "bbox": [9, 13, 10, 10], "score": 0.9},
    ]
    judged = COCOeval(truth, truth.loadRes(found), "bbox")
    judged.params.catIds = [2]
    judged.evaluate()
    judged.accumulate()
    assert judged.eval["precision"][0, :, 0, 0, -1].min() == pytest.approx(1.0)
    data = read_coco_file(file, lambda name: world.images[0].parent / name)
    assert len(data.images[0].ignore) == 1
    write_coco(tmp_path / "again.json", data)
    again = read_coco_file(tmp_path / "again.json", lambda name: world.images[0].parent / name)
    assert again.images[0].ignore.tolist() == data.images[0].ignore.tolist()
    world.services.store.close()


def test_a_turned_box_on_a_wide_image(tmp_path: Path) -> None:
    world = make(tmp_path, config(), 1)
    world.services.store.items.update([{"id": 1, "width": 1000, "height": 500}])
    # Turned by 90 degrees about its upper left corner, as Label Studio turns: 300 x 100 px become 100 x 300.
    turned = box("t", "A", 20, (500, 1000), width=30, height=20, rotation=90)
    annotate(world, {1: [turned | {"value": turned["value"] | {"y": 20}}]})
    (entry,) = exported(world).annotations
    assert entry["bbox"] == pytest.approx([100, 100, 100, 300])
    assert entry["area"] == pytest.approx(30000, rel=0.02)
    points = np.array(entry["segmentation"][0]).reshape(-1, 2)
    assert [*points.min(axis=0), *points.max(axis=0)] == pytest.approx([100, 100, 200, 400])
    world.services.store.close()


def test_searched_and_empty_stays_a_negative_and_a_skip_is_left_out_with_its_reason(tmp_path: Path) -> None:
    world = make(tmp_path, config(), 4)
    annotate(world, {1: [box("a", "A")], 2: [], 3: []}, cancelled=(3,))
    content = exported(world)
    assert [image["file_name"] for image in content.images] == ["cell0.png", "cell1.png"]
    assert {image["file_name"]: image["left_out"] for image in content.left_out} == {
        "cell2.png": "skipped",
        "cell3.png": "nobody labeled it",
    }
    assert [category["name"] for category in content.categories] == ["A", "B"]
    world.services.store.close()


def test_what_lies_outside_or_has_no_size_is_named(tmp_path: Path) -> None:
    world = make(tmp_path, config(), 3)
    annotate(world, {1: [box("far", "A", 1000)], 2: [box("gone", "Old"), box("a", "A", 50)], 3: [box("c", "A")]})
    store = world.services.store
    lost = NewItem(str(tmp_path / "lost.png"), 9, state="ready", data={"root": str(tmp_path), "name": "lost.png"})
    store.items.add(world.project, [lost], NOW)
    annotate(world, {9: []})
    content = exported(world)
    problems = " ".join(content.problems)
    assert "cell0.png: Region far is outside the image" in problems
    assert "cell1.png: Region gone has the label 'Old'" in problems
    assert "lost.png is labeled, but its size is unknown" in problems
    first, second, _ = content.images
    assert first["checked"] == []
    assert "checked" not in second
    assert sum(entry["iscrowd"] for entry in content.annotations) == 2
    assert [image["file_name"] for image in content.left_out] == ["lost.png"]
    assert all(image["width"] and image["height"] for image in content.images)
    store.close()


def test_numbers_begin_at_one(tmp_path: Path) -> None:
    world = make(tmp_path, config())
    annotate(world, {1: [box("a", "A")], 2: [box("b", "B")]})
    content = exported(world)
    for name in ("images", "annotations", "categories"):
        assert min(entry["id"] for entry in getattr(content, name)) == 1
    world.services.store.close()
