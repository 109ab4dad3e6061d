from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from training.data.importers.class_folder import read_class_folder
from training.data.manifest import read_manifest, write_manifest
from training.types import Sample, TrainingError

words = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1, max_size=12)
samples = st.builds(
    Sample,
    id=st.integers(0, 2**40),
    path=words.map(lambda name: Path("/data") / name.replace("/", "_")),
    label=st.one_of(st.none(), words),
    split=st.sampled_from(["train", "validation"]),
    group=words,
    vector_row=st.one_of(st.none(), st.integers(0, 10**9)),
)


@settings(max_examples=60, deadline=None)
@given(st.lists(samples, max_size=8))
def test_what_is_written_is_read(tmp_path_factory: pytest.TempPathFactory, some: list[Sample]) -> None:
    path = tmp_path_factory.mktemp("m") / "manifest.jsonl"
    write_manifest(path, some)
    assert read_manifest(path) == some


def test_a_broken_line_is_named(tmp_path: Path) -> None:
    path = tmp_path / "manifest.jsonl"
    write_manifest(path, [Sample(1, Path("a"), "x", "train", "g")])
    path.write_text(path.read_text() + '{"id": 2, "path": "b", "label": "x", "split": "test", "group": "g"}\n')
    with pytest.raises(TrainingError, match="Line 2"):
        read_manifest(path)
    path.write_text("[1]\n")
    with pytest.raises(TrainingError, match="Line 1"):
        read_manifest(path)
    with pytest.raises(TrainingError, match="cannot be read"):
        read_manifest(tmp_path / "missing.jsonl")


def test_a_failed_write_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "manifest.jsonl"
    write_manifest(path, [Sample(1, Path("a"), "x", "train", "g")])
    old = path.read_bytes()
    with pytest.raises(TypeError):
        write_manifest(path, [Sample(1, Path("a"), object(), "train", "g")])  # type: ignore[arg-type]  # on purpose
    assert path.read_bytes() == old
    assert [entry.name for entry in tmp_path.iterdir()] == ["manifest.jsonl"]


def test_class_folders(tmp_path: Path) -> None:
    for name in ("b/1.png", "b/deep/2.JPG", "a/1.png", "a/notes.txt", "a/.hidden/3.png", ".git/4.png", "loose.png"):
        file = tmp_path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(b"")
    found = read_class_folder(tmp_path)
    assert [(sample.label, sample.path.name) for sample in found] == [("a", "1.png"), ("b", "1.png"), ("b", "2.JPG")]
    assert len({sample.group for sample in found}) == 3
    grouped = read_class_folder(tmp_path, pattern=r"(\d+)\.")
    assert [sample.group for sample in grouped] == ["1", "1", "2"]


def test_class_folders_that_are_none(tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="no folder"):
        read_class_folder(tmp_path / "missing")
    (tmp_path / "only").mkdir()
    (tmp_path / "only" / "a.png").touch()
    with pytest.raises(TrainingError, match="two class folders"):
        read_class_folder(tmp_path)
