"""What an import leaves out is never searched and empty, and the mended labels can be imported afterwards."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.fakes.label_studio import choice
from tests.ml_backend.intake.label_files.world import BOXES, CLASSES, ImportWorld, box, coco, make
from training.types import TrainingError

PLAIN = BOXES.replace('<Label value="ignore"/>', "")


def changed(source: Path, **lists: Any) -> Path:
    file = source / "annotations.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | lists))
    return source


def labels_of(world: ImportWorld, task: int) -> list[list[str]]:
    return [[region["value"]["rectanglelabels"][0] for region in made["result"]] for made in world.annotations()[task]]


def test_a_box_whose_class_is_unknown_is_ignored_where_it_lies(boxes: ImportWorld, tmp_path: Path) -> None:
    report = boxes.put(coco(tmp_path / "coco", boxes, [box(1, 4), box(1, 40, 9), box(2, 8)], ("Cell",)))
    assert labels_of(boxes, 1) == [["Cell", "ignore"]]
    assert (report.added, report.complete) == (3, False)
    assert report.left_out["objects"] == {"its category is not listed": 1}


def test_an_image_with_an_object_of_unknown_place_is_not_labeled(boxes: ImportWorld, tmp_path: Path) -> None:
    wrong = [box(1, 4), box(1, 40, bbox="?"), box(2, 8, bbox=[1, 2])]
    report = boxes.put(coco(tmp_path / "wrong", boxes, wrong, ("Cell",)))
    assert (report.added, report.pre_annotated, report.complete) == (1, 1, False)
    assert [labels_of(boxes, task) for task in (1, 2, 3)] == [[], [], [[]]]
    first = boxes.services.store.items.all(boxes.project)[0]
    kept = boxes.services.store.proposals.of(boxes.project, [first.id])[first.id]
    assert [region["value"]["rectanglelabels"] for region in kept] == [["Cell"]]
    assert "became pre-annotations" in report.problems[0]
    mended = [box(1, 4), box(1, 40), box(2, 8)]
    again = boxes.put(coco(tmp_path / "mended", boxes, mended, ("Cell",)))
    assert (again.added, again.complete) == (2, True)
    assert [labels_of(boxes, task) for task in (1, 2, 3)] == [[["Cell", "Cell"]], [["Cell"]], [[]]]


def test_where_the_config_cannot_say_ignore_the_image_is_not_labeled(tmp_path: Path) -> None:
    world = make(tmp_path, PLAIN)
    source = coco(tmp_path / "coco", world, [box(1, 4), box(1, 40, iscrowd=1), box(2, 8), box(3, 8, 2)], ("Cell", "x"))
    report = world.put(source)
    assert [labels_of(world, task) for task in (1, 2, 3)] == [[], [["Cell"]], []]
    assert (report.added, report.pre_annotated, report.complete) == (1, 1, False)
    assert "no label 'ignore'" in " ".join(report.problems)
    world.services.store.close()


def test_parts_that_were_searched_are_no_whole_image(boxes: ImportWorld, tmp_path: Path) -> None:
    source = coco(tmp_path / "coco", boxes, [box(1, 4)], ("Cell",))
    images = json.loads((source / "annotations.json").read_text())["images"]
    images[0]["checked"], images[1]["checked"] = [[0, 0, 40, 40]], "all"
    report = boxes.put(changed(source, images=images))
    assert [labels_of(boxes, task) for task in (1, 2, 3)] == [[], [], [[]]]
    assert "the list of checked areas cannot be used" in " ".join(report.problems)


def test_annotations_that_belong_to_no_image_make_none_empty(boxes: ImportWorld, tmp_path: Path) -> None:
    report = boxes.put(coco(tmp_path / "coco", boxes, [box(1, 4), box([2], 4), box(77, 8)], ("Cell",)))
    assert [labels_of(boxes, task) for task in (1, 2, 3)] == [[["Cell"]], [], []]
    assert report.left_out["objects"] == {"they belong to no image of the file": 2}


def test_an_image_listed_twice_has_the_objects_of_both(boxes: ImportWorld, tmp_path: Path) -> None:
    source = coco(tmp_path / "coco", boxes, [box(1, 4), box(2, 40), box(2, 4)], ("Cell",))
    images = json.loads((source / "annotations.json").read_text())["images"]
    images[1]["file_name"] = images[0]["file_name"]
    boxes.put(changed(source, images=images))
    assert [labels_of(boxes, task) for task in (1, 2, 3)] == [[["Cell", "Cell"]], [], [[]]]


def test_two_files_of_one_picture_have_the_objects_of_both(boxes: ImportWorld, tmp_path: Path) -> None:
    source = coco(tmp_path / "coco", boxes, [box(1, 4), box(2, 40)], ("Cell",))
    files = source / "images"
    (files / "cell1.png").write_bytes((files / "cell0.png").read_bytes())
    report = boxes.put(source)
    assert [labels_of(boxes, task) for task in (1, 2, 3)] == [[["Cell", "Cell"]], [], [[]]]
    assert "cell1.png is the same image as cell0.png; only the first is used." in report.unmatched


def test_more_than_a_few_percent_are_refused_unless_told_otherwise(boxes: ImportWorld, tmp_path: Path) -> None:
    rows = [box(1, x) for x in range(40)] + [box(2, 4, bbox=["1,5", 2, 3, 4]) for _ in range(3)]
    some = coco(tmp_path / "some", boxes, rows, ("Cell",))
    assert boxes.put(some, dry_run=True).left_out["objects"] == {"a number has a decimal comma; use a decimal point": 3}
    many = coco(tmp_path / "many", boxes, [*rows, box(2, 4, 7)], ("Cell",))
    said = r"4 of 44 labels cannot be used \(3: a number has a decimal comma; use a decimal point; 1: its category"
    with pytest.raises(TrainingError, match=said + ".*--allow-left-out"):
        boxes.put(many)
    assert boxes.annotations() == {1: [], 2: [], 3: []}
    assert boxes.put(many, allow_left_out=True).added == 2
    assert labels_of(boxes, 2) == []


def test_what_an_earlier_import_made_can_be_replaced(boxes: ImportWorld, tmp_path: Path) -> None:
    client = boxes.services.label_studio
    boxes.put(coco(tmp_path / "wrong", boxes, [box(1, 4)], ("Cell",)))
    # Somebody corrected the third, and skipped none.
    third = boxes.annotations()[3][0]["id"]
    client.update_annotation(third, lead_time=4.0)
    mended = coco(tmp_path / "mended", boxes, [box(1, 4), box(2, 8), box(3, 8)], ("Cell",))
    assert boxes.put(mended).added == 0
    planned = boxes.put(mended, replace_imported=True, dry_run=True)
    assert (planned.repaired, planned.present) == (1, 2)
    assert labels_of(boxes, 2) == [[]]
    assert boxes.put(mended, replace_imported=True) == planned
    assert [labels_of(boxes, task) for task in (1, 2, 3)] == [[["Cell"]], [["Cell"]], [[]]]
    assert boxes.put(mended, replace_imported=True).repaired == 0
    stored = {row.task_id: row for row in boxes.services.store.labels.all(boxes.project)}
    assert len(stored[2].result) == 1


@pytest.mark.slow
def test_an_image_with_two_labels_has_none(tmp_path: Path) -> None:
    world = make(tmp_path, CLASSES)
    world.services.label_studio.create_annotation(3, choice("Dog", "choice", "image"), 3.0)
    table = tmp_path / "labels.csv"
    table.write_text("file,label\ncell0.png,Cat\ncell1.png,Cat\ncell0.png,Dog\ncell1.png,Cat\n")
    report = world.put(table)
    assert [len(made) for made in world.annotations().values()] == [0, 1, 1]
    assert "cell0.png has more than one label and was left out." in report.problems
    assert not report.complete
    world.services.store.close()
