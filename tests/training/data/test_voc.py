"""VOC folders: which picture a file is for, of which size, and objects that cannot be read."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.training.data.sources import VOC_FILES, pictures, voc, voc_file, voc_object
from training.data.importers.voc import read_voc
from training.types import TrainingError


def names(root: Path) -> list[str]:
    return [image.name for image in read_voc(root).images]


def test_the_file_names_its_picture(tmp_path: Path) -> None:
    root = voc(tmp_path, {"0001": VOC_FILES["b"], "a": voc_file("", [voc_object()])})
    data = read_voc(root)
    assert {image.name: len(image.boxes) for image in data.images} == {"a.png": 1, "b.png": 1}
    windows = voc(tmp_path / "windows", {"x": voc_file(r"C:\pictures\b.png", [voc_object()])})
    assert names(windows) == ["b.png"]


def test_two_pictures_or_two_files_of_one_name_are_a_sentence(tmp_path: Path) -> None:
    root = voc(tmp_path, {"a": voc_file("gone.png", [voc_object()]), "b": VOC_FILES["b"]})
    (root / "JPEGImages" / "a.jpg").write_bytes((root / "JPEGImages" / "a.png").read_bytes())
    data = read_voc(root)
    assert [image.name for image in data.images] == ["b.png"]
    assert "more than one image has its name (a.jpg, a.png)" in data.problems[0]
    twice = voc(tmp_path / "twice", VOC_FILES | {"d": voc_file("b.png", [voc_object()])})
    assert names(twice) == ["a.png", "c.png"]


@pytest.mark.parametrize(
    ("size", "is_used"),
    [
        ("<height>60</height><width>80</width>", False),
        ("<height>40</height><width>30</width>", False),
        ("<height>unknown</height><width>40</width>", False),
        ("<height>30.0</height><width>4e1</width>", True),
        ("<height>0</height><width>0</width>", True),
        ("<height></height>", True),
        ("", True),
    ],
)
def test_a_file_for_a_picture_of_another_size_is_left_out(tmp_path: Path, size: str, is_used: bool) -> None:
    root = voc(tmp_path, VOC_FILES | {"b": voc_file("b.png", [voc_object()], size)})
    assert ("b.png" in names(root)) == is_used


@pytest.mark.parametrize(
    ("sides", "box"),
    [
        ((12, 11, 2, 3), [2, 3, 12, 11]),
        (("2.0", "3e0", " 12 ", "+11"), [2, 3, 12, 11]),
        ((-5, 3, 12, 99), [0, 3, 12, 30]),
        (("1,5", 3, 12, 11), None),
        (("", 3, 12, 11), None),
        (("nan", 3, 12, 11), None),
        ((2, 3, 1e9, 11), None),
        ((50, 3, 60, 11), None),
        ((2, 3, 2, 11), None),
    ],
)
def test_corners(tmp_path: Path, sides: tuple[object, ...], box: list[float] | None) -> None:
    root = voc(tmp_path, {"a": voc_file("a.png", [voc_object(sides=sides), voc_object("debris", (20, 3, 30, 11))])})
    (image,) = read_voc(root).images
    if box is None:
        assert len(image.boxes) == 1
        assert len(image.checked) == 0
    else:
        np.testing.assert_array_equal(image.boxes[0], box)
        assert image.checked is None


def test_an_object_without_a_name_is_ignored_where_it_lies(tmp_path: Path) -> None:
    root = voc(tmp_path, {"a": voc_file("a.png", [voc_object(), voc_object(" ", (20, 3, 30, 11))])})
    (image,) = read_voc(root).images
    np.testing.assert_array_equal(image.ignore, [[20, 3, 30, 11]])
    assert image.checked is None


@pytest.mark.parametrize("text", ["", "<annotation>", "<annotations/>", "no xml", "<annotation><object></annotation>"])
def test_what_is_no_voc_file_makes_no_image_empty(tmp_path: Path, text: str) -> None:
    assert names(voc(tmp_path, VOC_FILES | {"c": text})) == ["a.png", "b.png"]


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_byte_order_marks(tmp_path: Path, encoding: str) -> None:
    root = voc(tmp_path)
    for file in (root / "Annotations").iterdir():
        file.write_text(file.read_text(), encoding=encoding)
    assert names(root) == ["a.png", "b.png", "c.png"]


def test_pictures_are_found_elsewhere(tmp_path: Path) -> None:
    elsewhere = pictures(tmp_path / "pool")
    root = tmp_path / "labels only"
    (root / "Annotations").mkdir(parents=True)
    (root / "Annotations" / "a.xml").write_text(VOC_FILES["a"])
    (root / "Annotations" / "b.xml").write_text(voc_file("", [voc_object()]))
    data = read_voc(root, lambda name: elsewhere / name if (elsewhere / name).is_file() else None)
    assert [image.name for image in data.images] == ["a.png", "b.png"]
    with pytest.raises(TrainingError, match="put the images into JPEGImages/"):
        read_voc(root)
