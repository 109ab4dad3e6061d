import gzip
import io
import json
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ml_backend.errors import BadRequest, Unavailable
from ml_backend.operations.backup import restore
from ml_backend.settings import Settings
from ml_backend.state.archive import Member, read_archive, write_archive
from tests.fakes.progress import silent
from tests.ml_backend.operations.backups import elsewhere, filled, save, settings

__all__ = ["filled", "settings"]


def _content(tar: tarfile.TarFile, member: tarfile.TarInfo) -> bytes:
    file = tar.extractfile(member)
    assert file is not None
    return file.read()


def rewritten(
    good: Path, bad: Path, change: Callable[[dict[str, Any], list[tuple[tarfile.TarInfo, bytes]]], None]
) -> None:
    """Copy a backup with its table of contents and members changed."""
    with tarfile.open(good) as tar:
        members = [(member, _content(tar, member)) for member in tar]
    contents = json.loads(members[0][1])
    rest = members[1:]
    change(contents, rest)
    with tarfile.open(bad, "w:gz") as tar:
        for info, content in [(tarfile.TarInfo("contents.json"), json.dumps(contents).encode()), *rest]:
            if info.isreg():
                info.size = len(content)
            tar.addfile(info, io.BytesIO(content))


def add(name: str, kind: bytes = tarfile.REGTYPE, link: str = "", listed: bool = True) -> Callable[..., None]:
    def change(contents: dict[str, Any], rest: list[tuple[tarfile.TarInfo, bytes]]) -> None:
        info = tarfile.TarInfo(name)
        info.type, info.linkname = kind, link
        rest.append((info, b"evil" if kind == tarfile.REGTYPE else b""))
        if listed:
            contents["files"][name] = 4 if kind == tarfile.REGTYPE else 0

    return change


def drop_last(_contents: dict[str, Any], rest: list[tuple[tarfile.TarInfo, bytes]]) -> None:
    rest.pop()


def twice(_contents: dict[str, Any], rest: list[tuple[tarfile.TarInfo, bytes]]) -> None:
    rest.append(rest[-1])


def other_format(contents: dict[str, Any], _rest: list[tuple[tarfile.TarInfo, bytes]]) -> None:
    contents["format"] = 99


def no_sizes(contents: dict[str, Any], _rest: list[tuple[tarfile.TarInfo, bytes]]) -> None:
    contents["files"] = {"paploop.db": "many"}


def broken_database(_contents: dict[str, Any], rest: list[tuple[tarfile.TarInfo, bytes]]) -> None:
    rest[0] = (rest[0][0], rest[0][1][:4096] + b"\xff" * (len(rest[0][1]) - 4096))


def foreign_database(contents: dict[str, Any], rest: list[tuple[tarfile.TarInfo, bytes]]) -> None:
    rest[0] = (rest[0][0], b"")
    contents["files"]["paploop.db"] = 0


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (add("../evil"), "is not a valid file name in a backup"),
        (add("/etc/evil"), "is not a valid file name"),
        (add("runs/000001/../../evil"), "is not a valid file name"),
        (add("runs/000001/./evil"), "is not a valid file name"),
        (add("runs/000001//evil"), "is not a valid file name"),
        (add("vectors/../vectors.f32"), "is not a valid file name"),
        (add("vectors/x/other.txt"), "is not a valid file name"),
        (add("notes.txt"), "is not a valid file name"),
        (add("runs/000009/link", tarfile.SYMTYPE, "/etc/passwd"), "is not a regular file"),
        (add("runs/000009/hard", tarfile.LNKTYPE, "paploop.db"), "is not a regular file"),
        (add("runs/000009/dev", tarfile.CHRTYPE), "is not a regular file"),
        (add("runs/000009/fifo", tarfile.FIFOTYPE), "is not a regular file"),
        (add("runs/000009/x", listed=False), "does not agree with the table of contents"),
        (twice, "does not agree"),
        (drop_last, "is missing"),
        (other_format, "its format is 99"),
        (no_sizes, "is not a number of bytes"),
        (broken_database, "damaged"),
        (foreign_database, "does not contain a PapLoop database"),
    ],
)
def test_malicious_and_broken_archives_touch_nothing(
    filled: Settings, tmp_path: Path, change: Callable[..., None], message: str
) -> None:
    save(filled, tmp_path / "good.tar.gz")
    rewritten(tmp_path / "good.tar.gz", tmp_path / "bad.tar.gz", change)
    other = elsewhere(tmp_path)
    with pytest.raises(BadRequest, match=message):
        restore(other, tmp_path / "bad.tar.gz", force=True)
    left = {path for path in other.data_dir.rglob("*") if path.is_file() and path.suffix != ".lock"}
    assert left == set()
    assert not (tmp_path / "evil").exists()


@pytest.mark.parametrize(
    "damage",
    [
        lambda data: data[: len(data) // 2],
        lambda data: data[:-6],
        lambda data: data[:-8] + b"\0\0\0\0" + data[-4:],
        lambda data: b"not a gzip file",
        lambda data: b"",
        lambda data: gzip.compress(b"no tar" * 1000),
        lambda data: gzip.compress(b""),
    ],
)
def test_damaged_files(filled: Settings, tmp_path: Path, damage: Callable[[bytes], bytes]) -> None:
    save(filled, tmp_path / "b.tar.gz")
    (tmp_path / "b.tar.gz").write_bytes(damage((tmp_path / "b.tar.gz").read_bytes()))
    with pytest.raises(BadRequest, match=r"was not restored because .*; use a file made by `paploop backup`"):
        restore(elsewhere(tmp_path), tmp_path / "b.tar.gz")


def test_no_such_file(tmp_path: Path) -> None:
    with pytest.raises(BadRequest, match="There is no backup"):
        restore(elsewhere(tmp_path), tmp_path / "none.tar.gz")


def test_more_than_the_disk_holds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_archive(tmp_path / "a.tar.gz", [Member("paploop.db", 5, b"12345")], {}, silent)
    usage = __import__("shutil").disk_usage(tmp_path)._replace(free=4)
    monkeypatch.setattr("shutil.disk_usage", lambda _: usage)
    with pytest.raises(Unavailable, match="Free some space"):
        read_archive(tmp_path / "a.tar.gz", tmp_path, silent)
