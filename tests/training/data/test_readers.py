"""COCO, YOLO and VOC folders: what is right is read exactly, what is wrong is named and left out."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tests.training.data.coco_files import write_coco
from tests.training.detection.blobs import CLASSES, make_folder
from training.data.coco import read_coco
from training.data.detection_set import DetectionSet, default_group, grouped, renumbered, split
from training.data.importers.objects import read_objects
from training.geometry.runs import pixels
from training.types import TrainingError


def picture(path: Path, width: int = 40, height: int = 30) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (width, height), (200, 180, 190)).save(path)


def coco(root: Path, annotations: list[dict[str, Any]], **image: Any) -> Path:
    picture(root / "images" / "a.png")
    entry = {"id": 1, "file_name": "a.png", "width": 40, "height": 30, **image}
    content = {"images": [entry], "annotations": annotations, "categories": [{"id": 7, "name": "cell"}]}
    (root / "annotations.json").write_text(json.dumps(content))
    return root


def test_what_is_written_is_read(tmp_path: Path) -> None:
    first = read_coco(make_folder(tmp_path / "a", 5, size=(64, 80)))
    assert first.has_masks
    assert not first.problems
    images = list(first.images)
    images[0] = replace(
        images[0],
        ignore=np.array([[1, 2, 10, 12]], np.float32),
        checked=np.array([[0, 0, 40, 40]], np.float32),
        group="patient 7",
    )
    write_coco(tmp_path / "a" / "annotations.json", replace(first, images=tuple(images)))
    second = read_coco(tmp_path / "a")
    for one, two in zip(images, second.images, strict=True):
        assert (one.name, one.size, one.group, one.masks or ()) == (two.name, two.size, two.group, two.masks or ())
        np.testing.assert_array_equal(one.boxes, two.boxes)
        np.testing.assert_array_equal(one.classes, two.classes)
        np.testing.assert_array_equal(one.ignore, two.ignore)
    np.testing.assert_array_equal(second.images[0].checked, images[0].checked)


GOOD = {"id": 1, "image_id": 1, "category_id": 7, "bbox": [2, 3, 10, 8], "iscrowd": 0}


@pytest.mark.parametrize(
    ("wrong", "reason"),
    [
        ({"bbox": [2, 3, 0, 8]}, "no area"),
        ({"bbox": [100, 3, 10, 8]}, "no area"),
        ({"bbox": [2, 3, float("nan"), 8]}, "finite"),
        ({"bbox": [2, 3]}, "left out"),
        ({"category_id": 9}, "category is not listed"),
        ({"bbox": None}, "neither a box nor an outline"),
        ({"bbox": None, "segmentation": [[1, 2, 3, 4]]}, "fewer than three"),
        ({"bbox": 7}, "list of numbers is missing"),
        ({"bbox": [2, 3, "4,5", 8]}, "decimal comma"),
        ({"bbox": [1e9, 3, 4, 8]}, "far outside"),
        ({"iscrowd": [1]}, "should be a number"),
    ],
)
def test_a_wrong_annotation_is_named_and_the_rest_goes_on(tmp_path: Path, wrong: dict[str, Any], reason: str) -> None:
    data = read_coco(coco(tmp_path, [GOOD, GOOD | {"id": 2} | wrong]))
    (image,) = data.images
    assert len(image.boxes) == 1
    assert "annotation 2 was left out" in data.problems[0]
    assert reason in data.problems[0]
    assert data.left_out.lost == 1
    # Where the place is known it is ignored, else no place of the image is known to hold nothing.
    assert len(image.ignore) == 1 if image.checked is None else len(image.checked) == 0


@pytest.mark.parametrize(
    ("segmentation", "reason"),
    [
        ({"size": [30, 40], "counts": "~"}, "run-length code is damaged"),
        ({"size": [30, 40], "counts": [5]}, "run-length code is damaged"),
        ({"size": [30, 40], "counts": [2**62] * 4}, "too large"),
        ({"size": [10, 10], "counts": [100]}, "another size"),
        ({"size": "big", "counts": [100]}, "list of numbers"),
        ({"counts": None}, "list of numbers"),
        ([[1, 2, 3, 4]], "fewer than three"),
        ([[90, 90, 99, 90, 99, 99]], "no pixel"),
        ([["a", 1, 2, 3, 4, 5]], "should be a number"),
        ([[1e300, 1, 2, 3, 4, 5]], "far outside"),
        (7, "neither a polygon"),
        ("12", "neither a polygon"),
        (True, "neither a polygon"),
    ],
)
def test_an_outline_that_cannot_be_used_leaves_the_box(tmp_path: Path, segmentation: Any, reason: str) -> None:
    data = read_coco(coco(tmp_path, [GOOD | {"segmentation": segmentation}]))
    np.testing.assert_array_equal(data.images[0].boxes, [[2, 3, 12, 11]])
    assert reason in data.problems[0]
    assert "its box is used" in data.problems[0]
    assert not data.left_out.lost


RING = [2, 3, 12, 3, 12, 11, 2, 11]


@pytest.mark.parametrize("box", [None, [], [0, 0, 0, 0], [2, 3], "2 3 10 8"])
@pytest.mark.parametrize(
    "segmentation",
    [
        RING,
        [RING],
        [[RING]],
        [list(map(str, RING))],
        [[2, 3], [12, 3], [12, 11], [2, 11]],
        [[[2, 3], [12, 3], [12, 11], [2, 11]]],
        [RING, [5, 5, 6, 6]],
        {"size": ["30", 40.0], "counts": [63, *[8, 22] * 9, 8, 1200 - 63 - 30 * 9 - 8]},
        [{"size": [30, 40], "counts": ["63", *[8, 22] * 9, 8, 1200 - 63 - 30 * 9 - 8]}],
    ],
)
def test_outlines_in_every_nesting_and_boxes_from_them(tmp_path: Path, segmentation: Any, box: Any) -> None:
    data = read_coco(coco(tmp_path, [GOOD | {"segmentation": segmentation, "bbox": box}]))
    np.testing.assert_array_equal(data.images[0].boxes, [[2, 3, 12, 11]])
    assert pixels(data.images[0].masks[0]) == 80
    assert not data.left_out.lost


def test_sides_drawn_backwards(tmp_path: Path) -> None:
    data = read_coco(coco(tmp_path, [GOOD | {"bbox": [12, "11.0", -10, "-8e0"]}]))
    np.testing.assert_array_equal(data.images[0].boxes, [[2, 3, 12, 11]])


def test_one_pixel_objects_and_cut_boxes_are_kept(tmp_path: Path) -> None:
    small = {"id": 2, "bbox": [5, 5, 1, 1]}
    over = {"id": 3, "bbox": [35, 25, 50, 50]}
    data = read_coco(coco(tmp_path, [GOOD, GOOD | small, GOOD | over]))
    np.testing.assert_array_equal(data.images[0].boxes[1:], [[5, 5, 6, 6], [35, 25, 40, 30]])


def test_images_that_cannot_be_used_are_named(tmp_path: Path) -> None:
    root = make_folder(tmp_path / "a", 4, size=(40, 40))
    content = json.loads((root / "annotations.json").read_text())
    (root / "images" / content["images"][0]["file_name"]).unlink()
    content["images"][1]["width"] = 99
    content["images"][2]["file_name"] = "../annotations.json"
    (root / "annotations.json").write_text(json.dumps(content))
    data = read_coco(root)
    assert len(data.images) == 1
    assert [word in text for word, text in zip(("no file", "99 x 40", "outside"), data.problems, strict=False)] == [
        True
    ] * 3


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"images": 1, "annotations": [], "categories": []}'])
def test_what_is_no_coco_file_is_one_sentence(tmp_path: Path, content: str) -> None:
    picture(tmp_path / "images" / "a.png")
    (tmp_path / "annotations.json").write_text(content)
    with pytest.raises(TrainingError, match="not a COCO file"):
        read_coco(tmp_path)


def test_outlines_count_for_all_objects_or_for_none(tmp_path: Path) -> None:
    outlined = GOOD | {"segmentation": [[2, 3, 12, 3, 12, 11, 2, 11]]}
    mostly = read_coco(coco(tmp_path / "a", [outlined, outlined | {"id": 2}, GOOD | {"id": 3}]))
    assert mostly.has_masks
    assert len(mostly.images[0].boxes) == 2
    assert len(mostly.images[0].ignore) == 1
    assert pixels(mostly.images[0].masks[0]) == 80  # type: ignore[index]
    hardly = read_coco(coco(tmp_path / "b", [outlined, GOOD | {"id": 2}, GOOD | {"id": 3}]))
    assert not hardly.has_masks
    assert len(hardly.images[0].boxes) == 3


def test_crowds_and_ignored_objects_are_ignore_regions(tmp_path: Path) -> None:
    data = read_coco(
        coco(tmp_path, [GOOD, GOOD | {"id": 2, "iscrowd": 1}, GOOD | {"id": 3, "ignore": 1, "bbox": [1, 1, 4, 4]}])
    )
    assert len(data.images[0].boxes) == 1
    assert len(data.images[0].ignore) == 2


def test_yolo_boxes_and_polygons(tmp_path: Path) -> None:
    picture(tmp_path / "images" / "sub" / "a.png")
    picture(tmp_path / "images" / "b.png")
    (tmp_path / "labels" / "sub").mkdir(parents=True)
    (tmp_path / "data.yaml").write_text("names: {0: cell, 1: debris}\n")
    lines = ["1 0.5 0.5 0.25 0.2", "9 0.5 0.5 0.1 0.1", "0 0.5", "0 nan 0 1 1", "0 0.5 0.5 0 0.1"]
    (tmp_path / "labels" / "sub" / "a.txt").write_text("\n".join(lines))
    with pytest.raises(TrainingError, match=r"4 of 5 labels cannot be used \(.*1: a number is not finite"):
        read_objects(tmp_path)
    data = read_objects(tmp_path, allow_left_out=True)
    assert data.classes == ("cell", "debris")
    image = next(image for image in data.images if image.name == "sub/a.png")
    np.testing.assert_allclose(image.boxes, [[15, 12, 25, 18]])
    np.testing.assert_allclose(image.ignore, [[18, 13.5, 22, 16.5]], rtol=1e-5)
    assert len(image.checked) == 0
    assert len(data.problems) == 4
    (tmp_path / "labels" / "sub" / "a.txt").write_text("0 0.25 0.2 0.5 0.2 0.5 0.4 0.25 0.4")
    outlined = read_objects(tmp_path)
    assert outlined.has_masks
    assert sum(pixels(mask) for image in outlined.images for mask in image.masks or ()) == 60


def test_voc_boxes(tmp_path: Path) -> None:
    picture(tmp_path / "JPEGImages" / "a.png")
    (tmp_path / "Annotations").mkdir()
    box = "<bndbox><xmin>3</xmin><ymin>4</ymin><xmax>13</xmax><ymax>{}</ymax></bndbox>"
    entry = "<object><name>{}</name>{}</object>"
    parts = [
        entry.format("wbc", box.format(20)),
        entry.format("rbc", box.format(20) + "<difficult>1</difficult>"),
        entry.format("rbc", box.format(4)),
        entry.format("", box.format(9)),
    ]
    (tmp_path / "Annotations" / "a.xml").write_text(f"<annotation>{''.join(parts)}</annotation>")
    (tmp_path / "Annotations" / "b.xml").write_text("<annotation/>")
    bomb = '<!DOCTYPE x [<!ENTITY a "b">]><annotation/>'
    picture(tmp_path / "JPEGImages" / "c.png")
    (tmp_path / "Annotations" / "c.xml").write_text(bomb)
    data = read_objects(tmp_path)
    assert data.classes == ("rbc", "wbc")
    np.testing.assert_array_equal(data.images[0].boxes, [[3, 4, 13, 20]])
    # One is difficult, the other has no name.
    np.testing.assert_array_equal(data.images[0].ignore, [[3, 4, 13, 20], [3, 4, 13, 9]])
    assert len(data.images[0].checked) == 0, "a box without an area may be anywhere"
    assert len(data.problems) == 4


def test_neighbours_in_number_stay_together(tmp_path: Path) -> None:
    assert default_group("smear_0019.png") == default_group("smear_0001.png") != default_group("smear_0020.png")
    assert default_group("a/left.png") == "left"
    data = grouped(read_coco(make_folder(tmp_path, 10, size=(40, 40))), "")
    train, held_out = split(data, 0.3, "salt")
    assert {image.group for image in train.images}.isdisjoint(image.group for image in held_out.images)
    assert len(held_out.images) == 3
    again = split(data, 0.3, "salt")[1].images
    assert [image.name for image in again] == [image.name for image in held_out.images]
    one = DetectionSet(CLASSES, tuple(replace(image, group="same") for image in data.images))
    with pytest.raises(TrainingError, match="one source group"):
        split(one, 0.3, "salt")


def test_classes_are_renumbered_by_name(tmp_path: Path) -> None:
    data = read_coco(make_folder(tmp_path, 3, size=(64, 64)))
    turned = renumbered(data, (CLASSES[1], "other"))
    assert turned.counts() == {CLASSES[1]: data.counts()[CLASSES[1]], "other": 0}
    assert sum(len(image.ignore) for image in turned.images) == data.counts()[CLASSES[0]]
    assert turned.problems
    with pytest.raises(TrainingError, match="same classes"):
        renumbered(data, ("other",))
