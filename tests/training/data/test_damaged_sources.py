"""Damage of every kind to label files: never a crash, never Python's words, and what is unread is never background."""

from __future__ import annotations

import copy
import csv
import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ml_backend.errors import BadRequest
from ml_backend.intake.label_files.reading import read_source
from tests.field_cases.worlds import PYTHON_SPEAK
from tests.training.data import sources
from training.data.coco import read_coco
from training.data.detection_set import DetectionSet, LabelledImage
from training.data.importers.voc import read_voc
from training.data.importers.yolo import read_yolo
from training.data.reading import vouches
from training.geometry.runs import counts_of
from training.types import TrainingError

QUIETLY = settings(
    deadline=None, derandomize=True, max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
JUNK = st.one_of(
    st.sampled_from(
        [None, "", " ", "x", "1,5", "NaN", "-", True, False, [], {}, [[]], [[1]], [{"x": 1}], {"size": 3}, 10**400]
    ),
    st.sampled_from([float("nan"), float("inf"), -1e300, 1e12, "1e999", "\0", "a" * 300, [[[[0]]]], ["x"] * 4]),
    st.recursive(st.none() | st.booleans() | st.floats() | st.text(max_size=3), st.lists, max_leaves=5),
)


def told_well(sentences: str) -> None:
    assert not re.search(PYTHON_SPEAK, sentences), sentences


def read(reader: Callable[[Path], DetectionSet], root: Path) -> list[LabelledImage]:
    """What is usable; a refusal is nothing."""
    try:
        data = reader(root)
    except TrainingError as error:
        told_well(str(error))
        return []
    told_well("\n".join(data.problems))
    for image in data.images:
        assert image.boxes.shape == (len(image.classes), 4)
        for boxes in (image.boxes, image.ignore):
            assert (boxes[:, 2:] > boxes[:, :2]).all()
            assert (boxes >= 0).all()
            assert (boxes <= np.array([*sources.SIZE[::-1], *sources.SIZE[::-1]])).all()
        assert ((image.classes >= 0) & (image.classes < len(data.classes))).all()
        for mask in image.masks or ():
            assert mask is None or counts_of(mask).sum() == sources.SIZE[0] * sources.SIZE[1]
    return list(data.images)


def known_places(image: LabelledImage) -> int:
    return len(image.boxes) + len(image.ignore)


def nodes(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    yield path
    if isinstance(value, dict | list):
        for key, item in value.items() if isinstance(value, dict) else enumerate(value):
            yield from nodes(item, (*path, key))


def damaged(content: Any, path: tuple[Any, ...], junk: Any, *, delete: bool) -> Any:
    if not path:
        return junk
    inside = content
    for key in path[:-1]:
        try:
            inside = inside[key]
        except (TypeError, KeyError, IndexError):
            return content
    if isinstance(inside, dict | list) and (not isinstance(inside, list) or path[-1] in range(len(inside))):
        if delete:
            inside.pop(path[-1], None) if isinstance(inside, dict) else inside.pop(path[-1])
        elif isinstance(path[-1], str) == isinstance(inside, dict):
            inside[path[-1]] = junk
    return content


RIGHT = sources.coco_content()
PATHS = list(nodes(RIGHT))


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    root = tmp_path_factory.mktemp("damaged")
    return {
        "coco": sources.coco(root / "coco"),
        "yolo": sources.yolo(root / "yolo"),
        "voc": sources.voc(root / "voc"),
        "csv": root,
    }


@given(st.lists(st.tuples(st.sampled_from(PATHS), JUNK, st.booleans()), min_size=1, max_size=3))
@QUIETLY
def test_coco(folders: dict[str, Path], damages: list[tuple[tuple[Any, ...], Any, bool]]) -> None:
    content = copy.deepcopy(RIGHT)
    for path, junk, delete in damages:
        content = damaged(content, path, copy.deepcopy(junk), delete=delete)
    (folders["coco"] / "annotations.json").write_text(json.dumps(content))
    for image in read(read_coco, folders["coco"]):
        owners = [entry.get("image_id") if isinstance(entry, dict) else None for entry in content["annotations"]]
        listed = [entry.get("id") for entry in content["images"] if isinstance(entry, dict)]
        homeless = any(isinstance(owner, bool) or owner not in listed for owner in owners)
        number = sources.PICTURES.index(image.name) + 1
        mine = sum(owner == number and not isinstance(owner, bool) for owner in owners)
        if vouches(image):
            assert known_places(image) >= mine, "an unread entry became background"
            assert mine or not homeless, "an entry without an image made another image empty"


@given(
    st.recursive(
        st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=4),
        lambda inner: (
            st.lists(inner, max_size=4)
            | st.dictionaries(
                st.sampled_from(["images", "annotations", "categories", "id", "name", "bbox", "shapes", "data"]), inner
            )
        ),
        max_leaves=12,
    )
)
@QUIETLY
def test_any_json(folders: dict[str, Path], content: Any) -> None:
    (folders["coco"] / "annotations.json").write_text(json.dumps(content))
    assert not read(read_coco, folders["coco"])


def notations(value: Any, write: Callable[[float], Any]) -> Any:
    if isinstance(value, dict):
        return {key: notations(item, write) for key, item in value.items()}
    if isinstance(value, list):
        return [notations(item, write) for item in value]
    return write(value) if isinstance(value, int | float) else value


@pytest.mark.parametrize("write", [str, float, lambda n: f"{n:.6e}", lambda n: f" {float(n)} ", lambda n: f"+{n}.0"])
def test_numbers_in_any_notation_are_the_same_numbers(folders: dict[str, Path], write: Callable[[float], Any]) -> None:
    file = folders["coco"] / "annotations.json"
    file.write_text(json.dumps(RIGHT))
    wanted = read(read_coco, folders["coco"])
    file.write_text(json.dumps(notations(RIGHT, write)))
    found = read(read_coco, folders["coco"])
    assert [image.name for image in found] == list(sources.PICTURES)
    for one, two in zip(wanted, found, strict=True):
        np.testing.assert_array_equal(one.boxes, two.boxes)
        np.testing.assert_array_equal(one.classes, two.classes)
        assert (one.masks, two.checked) == (two.masks, None)


WORDS = st.sampled_from(
    ["", "x", "nan", "-inf", "1e999", "0,5", ",", ";", "0.5", "7", "-3", "1e300", "0x1", "1_0", "\t", "½", "٣", "\x00"]
)


@given(
    st.sampled_from(["a", "b"]),
    st.lists(
        st.tuples(st.integers(0, 1), st.integers(0, 8), WORDS, st.sampled_from(["put", "add", "cut"])),
        min_size=1,
        max_size=4,
    ),
    st.sampled_from([" ", "\t", ", ", ",", ";"]),
)
@QUIETLY
def test_yolo(folders: dict[str, Path], stem: str, damages: list[tuple[int, int, str, str]], between: str) -> None:
    rows = [line.split() for line in sources.YOLO_LINES[stem]]
    for row, place, word, how in damages:
        words = rows[row % len(rows)]
        if how == "add":
            words.insert(place, word)
        elif place < len(words):
            words[place : place + 1] = [word] if how == "put" else []
    text = "\n".join(between.join(words) for words in rows)
    file = folders["yolo"] / "labels" / f"{stem}.txt"
    file.write_text(text)
    try:
        for image in read(read_yolo, folders["yolo"]):
            lines = text.splitlines() if image.name == f"{stem}.png" else sources.YOLO_LINES[Path(image.name).stem]
            if vouches(image):
                assert known_places(image) >= sum(bool(line.strip()) for line in lines)
    finally:
        file.write_text("\n".join(sources.YOLO_LINES[stem]))


@given(st.binary(max_size=60), st.sampled_from(["labels/c.txt", "classes.txt", "data.yaml"]))
@QUIETLY
def test_any_bytes_in_a_yolo_folder(folders: dict[str, Path], content: bytes, name: str) -> None:
    file = folders["yolo"] / name
    before = file.read_bytes() if file.exists() else None
    file.write_bytes(content)
    try:
        read(read_yolo, folders["yolo"])
    finally:
        if before is None:
            file.unlink()
        else:
            file.write_bytes(before)


TAGS = re.findall(r"</?\w+>|[\w.]+", sources.VOC_FILES["a"])


@given(
    st.lists(
        st.tuples(
            st.integers(0, len(TAGS) - 1),
            st.sampled_from(["", "x", "nan", "1e999", "1,5", "-7", "99999999999", "<a/>", "&amp;", "<b>", "\x00", "é"]),
        ),
        min_size=1,
        max_size=3,
    )
)
@QUIETLY
def test_voc(folders: dict[str, Path], damages: list[tuple[int, str]]) -> None:
    parts = list(TAGS)
    for place, word in damages:
        parts[place] = word
    text = "".join(parts)
    file = folders["voc"] / "Annotations" / "a.xml"
    file.write_text(text)
    for image in read(read_voc, folders["voc"]):
        if image.name == "a.png" and vouches(image):
            assert known_places(image) >= text.count("<object>")


@given(
    st.lists(st.lists(st.text(max_size=6), max_size=4), max_size=4),
    st.sampled_from([",", ";", "\t", "|"]),
    st.booleans(),
)
@QUIETLY
def test_csv(folders: dict[str, Path], rows: list[list[str]], delimiter: str, has_header: bool) -> None:
    file = folders["csv"] / "labels.csv"
    with file.open("w", encoding="utf-8", errors="replace", newline="") as target:
        writer = csv.writer(target, delimiter=delimiter)
        writer.writerows([*([["file", "label"]] if has_header else []), ["a.png", "cell"], *rows])
    try:
        source = read_source(file, "csv", lambda name: None)
    except (BadRequest, TrainingError) as error:
        told_well(str(error))
    else:
        told_well("\n".join(source.problems))
        assert all(entry.label and entry.name for entry in source.entries)


@given(st.binary(max_size=80))
@QUIETLY
def test_any_bytes_as_a_table(folders: dict[str, Path], content: bytes) -> None:
    file = folders["csv"] / "bytes.csv"
    file.write_bytes(content)
    try:
        told_well("\n".join(read_source(file, "csv", lambda name: None).problems))
    except (BadRequest, TrainingError) as error:
        told_well(str(error))
