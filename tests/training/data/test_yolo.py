"""YOLO folders as trainers, detectors and editors write them: read right, or left out with a sentence."""

from __future__ import annotations

import codecs
from pathlib import Path

import numpy as np
import pytest

from tests.training.data.sources import pictures, yolo
from training.data.detection_set import DetectionSet, LabelledImage
from training.data.importers.yolo import read_yolo
from training.types import TrainingError

HALF = "0.5 0.5 0.2 0.2"
BOX = [16, 12, 24, 18]


def first(data: DetectionSet) -> LabelledImage:
    return next(image for image in data.images if image.name == "a.png")


def is_unknown(image: LabelledImage) -> bool:
    """No object, and no place that is known to hold none."""
    return not len(image.boxes) and image.checked is not None and not len(image.checked)


@pytest.mark.parametrize(
    "line",
    [
        f"1 {HALF}",
        f"1.0 {HALF}",
        f"1.000000e+00 {HALF}",
        "\t1\t0.5\t0.5\t0.2\t0.2\t",
        "1, 0.5, 0.5, 0.2, 0.2",
        "1,0.5,0.5,0.2,0.2",
        "1;0.5;0.5;0.2;0.2",
        "1 5e-1 .5 2.0E-1 +0.2",
        "1 0.5 0.5 -0.2 0.2",
        f"1 {HALF} 0.93",
        f"1 {HALF} 0.93 4",
        f"1 {HALF} 0.93 4 17",
        f"1 {HALF} 0.93 4 17 2",
        "1 0.4 0.4 0.6 0.4 0.6 0.6 0.4 0.6",
        "1 0.4 0.4 0.6 0.4 0.6 0.6 0.4 0.6 0.5 0.6 0.88",
    ],
)
def test_one_box_in_many_notations(tmp_path: Path, line: str) -> None:
    image = first(read_yolo(yolo(tmp_path, {"a": [line], "b": [f"0 {HALF} 0.5"]})))
    np.testing.assert_allclose(image.boxes, [BOX], atol=1e-5)
    assert image.classes.tolist() == [1]
    assert image.checked is None


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("0 0,5 0,5 0,2 0,2", "decimal comma"),
        ("0;0,5;0,5;0,2;0,2", "decimal comma"),
        ("0 50 50 20 20", "not fractions of the image's width and height"),
        ("0 200 100 40 30", "not fractions"),
        ("0 0.1 0.1 90 90 0.3 0.9", "not fractions"),
        (f"0 {HALF} 1.57", "the fifth number"),
        ("0 0.4 0.5 0.4 0.4 0.9 0.2", "may be a polygon"),
        ("0 0.5", "too few numbers"),
        ("0", "too few numbers"),
        ("0 0.5 0.5 0 0.2", "no area"),
        ("0 nan 0.5 0.2 0.2", "not finite"),
        ("0 1e999 0.5 0.2 0.2", "not finite"),
        ("0 a b c d", "should be a number"),
        ("0 0.5 0.5 0.2 0.2 # a note", "should be a number"),
    ],
)
def test_what_means_nothing_certain_is_no_background(tmp_path: Path, line: str, reason: str) -> None:
    data = read_yolo(yolo(tmp_path, {"a": [line], "b": [f"0 {HALF}"]}))
    assert all(image.name != "a.png" for image in data.images), "nothing on it is known"
    assert reason in data.problems[0]
    assert data.left_out.lost == 1
    both = read_yolo(yolo(tmp_path / "both", {"a": [line, f"0 {HALF}"]}))
    assert len(first(both).boxes) == 1
    assert len(first(both).checked) == 0


@pytest.mark.parametrize("number", ["7", "-1", "0.5", "cell", "1e30", "True", "2"])
def test_a_class_that_means_nothing_leaves_the_place_unknown(tmp_path: Path, number: str) -> None:
    image = first(read_yolo(yolo(tmp_path, {"a": [f"{number} {HALF}"]})))
    np.testing.assert_allclose(image.ignore, [BOX], atol=1e-5)
    assert (len(image.boxes), image.checked) == (0, None)


@pytest.mark.parametrize(
    ("lines", "boxes"),
    [
        # A triangle, since other lines are outlines.
        (["0 0.4 0.5 0.4 0.4 0.9 0.2", "0 0.1 0.1 0.2 0.1 0.2 0.2 0.1 0.2"], [[16, 6, 36, 15], [4, 3, 8, 6]]),
        # A box with confidence and track number, since other lines have a confidence alone.
        (["0 0.5 0.5 0.2 0.2 0.9 1", f"0 {HALF} 0.8"], [BOX, BOX]),
    ],
)
def test_the_other_lines_decide_what_may_be_two_things(
    tmp_path: Path, lines: list[str], boxes: list[list[float]]
) -> None:
    np.testing.assert_allclose(first(read_yolo(yolo(tmp_path, {"a": lines}))).boxes, boxes, atol=1e-5)


def test_key_points_stand_behind_the_box(tmp_path: Path) -> None:
    root = yolo(tmp_path, {"a": [f"0 {HALF} 0.1 0.1 1 0.9 0.9 1"]}, names="")
    (root / "data.yaml").write_text("kpt_shape: [2, 3]\nnames: [cell]\n")
    np.testing.assert_allclose(first(read_yolo(root)).boxes, [BOX], atol=1e-5)


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("names: {1: cell, 2: debris}", {1: "cell", 2: "debris"}),
        ("names: {'10': c10, '2': c2, '0': c0}", {10: "c10", 2: "c2", 0: "c0"}),
        ("names: {0: cell, 5: ' debris '}", {0: "cell", 5: "debris"}),
        ("names: [cell, '', debris]", {0: "cell", 2: "debris"}),
        ("names:\n- no\n- yes\n- 1.0\n- null", {0: "no", 1: "yes", 2: "1.0", 3: "null"}),
        ("names: {0.0: cell, 1e0: debris}", {0: "cell", 1: "debris"}),
    ],
)
def test_class_numbers_are_those_of_the_description(tmp_path: Path, text: str, names: dict[int, str]) -> None:
    root = yolo(tmp_path, {"a": [f"{number} {HALF}" for number in names]}, names="")
    (root / "data.yaml").write_text(text)
    data = read_yolo(root)
    assert [data.classes[number] for number in first(data).classes] == list(names.values())
    assert not data.problems


def test_a_blank_line_among_names_counts(tmp_path: Path) -> None:
    data = read_yolo(yolo(tmp_path, {"a": [f"2 {HALF}", f"1 {HALF}"]}, names="cell\n\n debris \n\n"))
    assert data.classes == ("cell", "debris")
    assert first(data).classes.tolist() == [1]
    assert len(first(data).ignore) == 1


@pytest.mark.parametrize(
    ("names", "description", "said"),
    [
        ("cell\ncell \n", "", "same name, cell"),
        ("", "names: {0: a, 1: a}", "same name, a"),
        ("", "names: {0: a, '0': b}", "have the number 0"),
        ("", "names: {a: b}", "not a number, a"),
        ("", "names: [", "not valid YAML"),
        ("", "names: 7", "are missing"),
        ("", "", "are missing"),
        ("\n\n", "", "are missing"),
        ("cell\ndebris", "names: [debris, cell]", "differently"),
    ],
)
def test_names_that_would_mix_up_classes_are_refused(tmp_path: Path, names: str, description: str, said: str) -> None:
    root = yolo(tmp_path, names=names)
    if description:
        (root / "data.yaml").write_text(description)
    with pytest.raises(TrainingError, match=said):
        read_yolo(root)


@pytest.mark.parametrize(
    ("mark", "encoding"),
    [
        (codecs.BOM_UTF8, "utf-8"),
        (codecs.BOM_UTF16_LE, "utf-16-le"),
        (codecs.BOM_UTF16_BE, "utf-16-be"),
        (codecs.BOM_UTF32_LE, "utf-32-le"),
    ],
)
def test_byte_order_marks(tmp_path: Path, mark: bytes, encoding: str) -> None:
    root = yolo(tmp_path)
    for file in (root / "classes.txt", *(root / "labels").iterdir()):
        file.write_bytes(mark + file.read_text().replace("\n", "\r\n").encode(encoding))
    data = read_yolo(root)
    assert data.classes == ("cell", "debris")
    assert [image.classes.tolist() for image in data.images] == [[0, 1], [1], []]
    assert not data.problems


def test_a_label_file_that_is_no_text_leaves_its_image_out(tmp_path: Path) -> None:
    root = yolo(tmp_path)
    (root / "labels" / "c.txt").write_bytes(b"0 0.5 0.5 0.2 0.2 \xff\xfe\x00")
    data = read_yolo(root)
    assert [image.name for image in data.images] == ["a.png", "b.png"]
    assert data.left_out.images == {"its label file cannot be read": 1}


def test_label_files_without_an_image_make_none_empty(tmp_path: Path) -> None:
    data = read_yolo(yolo(tmp_path, {"a": [f"0 {HALF}"], "b": [], "9f8e7d6c-c": [f"0 {HALF}"]}))
    assert [image.name for image in data.images] == ["a.png", "b.png"]
    assert "9f8e7d6c-c.txt" in data.problems[0]


def test_two_images_of_one_label_file_have_none(tmp_path: Path) -> None:
    root = yolo(tmp_path)
    (root / "images" / "a.jpg").write_bytes((root / "images" / "a.png").read_bytes())
    data = read_yolo(root)
    assert [image.name for image in data.images] == ["b.png", "c.png"]
    assert "a.jpg and a.png share the label file" in data.problems[0]


def test_images_are_found_elsewhere(tmp_path: Path) -> None:
    root, elsewhere = yolo(tmp_path / "labels only"), pictures(tmp_path / "pool")
    for file in (root / "images").iterdir():
        file.unlink()
    (root / "images").rmdir()
    (root / "labels" / "classes.txt").write_text((root / "classes.txt").read_text())
    (root / "classes.txt").unlink()
    data = read_yolo(root, lambda name: elsewhere / name if (elsewhere / name).is_file() else None)
    assert [len(image.boxes) for image in data.images] == [2, 1, 0]
    with pytest.raises(TrainingError, match="put the files into images/"):
        read_yolo(root)
