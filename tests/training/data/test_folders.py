"""What lies in a folder: images are found, everything else is counted, and nothing stops the search."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from PIL import Image

from training.data.class_folders import ClassFolders
from training.data.folders import HIDDEN, LINKS, NO_ENDING, OF_SYSTEM, image_files
from training.data.importers.class_folder import read_class_folder, read_parts
from training.standalone.layout import data_kind
from training.standalone.layout import image_files as image_paths
from training.types import TrainingError


def picture(path: Path, kind: str = "PNG") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (4, 4)).save(path, kind)
    return path


def names(root: Path, *, inside: bool = False) -> list[str]:
    return [path.relative_to(root).as_posix() for path in image_files(root, inside=inside).files]


def test_endings_of_images_and_files_without_one(tmp_path: Path) -> None:
    for name in ("a.PNG", "b.JFIF", "c.jpe", "d.jpeg", "noending", "IM.2021-03-04", "IM.0001"):
        picture(tmp_path / name, "JPEG")
    for name in ("e.heic", "f.svs", "g.svs", "notes", "x.txt", "7.123"):
        (tmp_path / name).write_bytes(b"no image")
    found = image_files(tmp_path)
    assert len(found.files) == 7
    assert found.passed_over == {".svs": 2, NO_ENDING: 2, ".heic": 1, ".txt": 1}
    assert "2 .svs" in " ".join(found.sentences())
    assert not found.unusable


def test_thumbnails_and_hidden_files_are_counted(tmp_path: Path) -> None:
    picture(tmp_path / "a" / "1.png")
    for name in ("a/@eaDir/1.png", "__MACOSX/1.png", "#recycle/1.png", "a/Thumbs.db"):
        picture(tmp_path / name)
    for name in (".thumbnails/1.png", "a/._1.png", ".DS_Store"):
        picture(tmp_path / name)
    found = image_files(tmp_path)
    assert names(tmp_path) == ["a/1.png"]
    assert found.passed_over == {OF_SYSTEM: 4, HIDDEN: 3}


def test_odd_names_and_dead_links_are_named_and_stop_nothing(tmp_path: Path) -> None:
    picture(tmp_path / "fine.png")
    picture(tmp_path / "line\nbreak.png")
    with open(os.fsencode(tmp_path) + b"/caf\xe9.png", "wb") as file:
        file.write(b"x")
    (tmp_path / "dead.png").symlink_to(tmp_path / "nowhere.png")
    (tmp_path / "loop.png").symlink_to(tmp_path / "loop.png")
    (tmp_path / "round").symlink_to(tmp_path)
    for inside in (False, True):
        found = image_files(tmp_path, inside=inside)
        assert names(tmp_path, inside=inside) == ["fine.png", "line\nbreak.png"]
        assert sorted(found.unusable) == ["caf\\xe9.png", "dead.png", "loop.png"]
        assert all(sentence.endswith(".") for sentence in found.sentences())


def test_links_out_of_the_folder(tmp_path: Path) -> None:
    outside = picture(tmp_path / "elsewhere" / "sub" / "1.png")
    root = picture(tmp_path / "root" / "2.png").parent
    (root / "one.png").symlink_to(outside)
    (root / "all").symlink_to(outside.parent)
    assert names(root) == ["2.png", "all/1.png", "one.png"]
    assert names(root, inside=True) == ["2.png"]
    assert image_files(root, inside=True).passed_over == {LINKS: 2}


def test_a_name_beyond_what_the_system_can_open(tmp_path: Path) -> None:
    home = os.getcwd()
    picture(tmp_path / "fine.png")
    try:
        os.chdir(tmp_path)
        for _ in range(20):
            os.mkdir("d" * 250)
            os.chdir("d" * 250)
    finally:
        os.chdir(home)
    found = image_files(tmp_path)
    assert names(tmp_path) == ["fine.png"]
    assert len(found.unusable) == 1


@pytest.mark.parametrize(
    ("paths", "classes"),
    [
        (["a/1.png", "b/2.png"], ["a", "b"]),
        (["a/slide1/1.png", "b/slide1/deep/2.png"], ["a", "b"]),
        (["train/cat/1.png", "VALID/cat/2.png", "Test/dog/3.png"], ["cat", "cat", "dog"]),
        (["train/cat/slide/1.png", "val/cat/2.png", "extra/3.png", "4.png"], ["cat", "cat", "", ""]),
        (["train/cat/1.png", "train/dog/2.png"], ["cat", "dog"]),
        (["train/1.png", "car/2.png", "bus/old/3.png"], ["train", "car", "bus"]),
        (["train/old/1.png", "car/2.png", "test/3.png"], ["train", "car", "test"]),
        (["caf\u00e9/1.png", "cafe\u0301/2.png", " b /3.png"], ["caf\u00e9", "caf\u00e9", "b"]),
        (["1.png"], [""]),
    ],
)
def test_which_folder_is_the_class(paths: list[str], classes: list[str]) -> None:
    folders = ClassFolders.of(paths)
    assert [folders.class_of(path) for path in paths] == classes


def split_set(root: Path, *parts: str) -> Path:
    for part in parts:
        for number in range(3):
            picture(root / part / "cat" / f"{part}{number}.png")
            picture(root / part / "dog" / "slide" / f"{part}{number}.png")
    return root


def test_parts_of_a_split_are_used_as_such(tmp_path: Path) -> None:
    root = split_set(tmp_path, "train", "valid", "test")
    found = read_class_folder(root)
    assert {(sample.label, sample.split, sample.path.name[:5]) for sample in found} == {
        *(("cat", "train", "train"), ("dog", "train", "train")),
        *(("cat", "validation", "valid"), ("dog", "validation", "valid")),
    }
    learned, kept = read_parts(root)
    assert {sample.path.name[:4] for sample in kept} == {"test"}
    assert len(learned) == 12


def test_a_split_without_test_or_without_val(tmp_path: Path) -> None:
    learned, kept = read_parts(split_set(tmp_path / "a", "train", "val"))
    assert ({s.path.name[:3] for s in learned}, {s.path.name[:3] for s in kept}) == ({"tra"}, {"val"})
    found = read_class_folder(split_set(tmp_path / "b", "train", "test"), fraction=0.5)
    assert {sample.path.name[:3] for sample in found} == {"tra"}
    assert {sample.split for sample in found} == {"train", "validation"}
    with pytest.raises(TrainingError, match="without a folder train"):
        read_class_folder(split_set(tmp_path / "c", "valid", "test"))


def test_a_split_of_sets_with_objects_is_no_folder_of_classes(tmp_path: Path) -> None:
    for part in ("train", "valid"):
        picture(tmp_path / "set" / part / "images" / "1.png")
        (tmp_path / "set" / part / "labels").mkdir()
    with pytest.raises(TrainingError, match=r"Give one of them, such as .*train"):
        data_kind(tmp_path / "set")


def test_images_beside_their_coco_file_are_found(tmp_path: Path) -> None:
    Image.new("RGB", (4, 4)).save(tmp_path / "a.png")
    (tmp_path / "_annotations.coco.json").write_text('{"images": [], "annotations": [], "categories": []}')
    assert image_paths(tmp_path) == (tmp_path, [tmp_path / "a.png"])
