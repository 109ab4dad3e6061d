import gzip
import io
import json
import os
import stat
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ml_backend import backup as backup_module
from ml_backend.backup import backup, restore
from ml_backend.errors import BadRequest, Conflict, PapLoopError, Unavailable
from ml_backend.settings import Settings
from ml_backend.state.archive import Member, read_archive, write_archive
from ml_backend.state.files import DataDir
from ml_backend.state.records import AnnotationRow, NewItem
from ml_backend.state.secret_file import load_secrets
from ml_backend.state.store import Store
from ml_backend.state.vectors import Vectors


def silent(fraction: float, message: str) -> None:
    assert 0 <= fraction <= 1
    assert message


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(data_dir=tmp_path / "state", database_url="")


@pytest.fixture
def filled(settings: Settings) -> Settings:
    data = DataDir(settings.data_dir)
    load_secrets(data, media_secret="signs urls")
    Vectors(data.vectors_dir("lite0-ab"), 4).append(np.ones((3, 4), np.float32))
    with Vectors(data.vectors_dir("lite0-ab"), 4).path.open("ab") as file:
        file.write(b"torn")
    store = Store.open(settings.resolved_database_url)
    store.upsert_project(1, "One", "<View/>", 1.0)
    store.add_items(1, [NewItem("a", task_id=3, vector_row=2)], 1.0)
    store.upsert_annotations(1, [AnnotationRow(1, 3, result=["x"], updated_at="2026-01-01")], 1.0)
    for state in ("done", "failed", "train"):
        run = store.open_run(1, kind="train", reason="", seed=0, change=1, now=1.0)
        assert run is not None
        store.update_run(run.id, state=state)
        (data.run_dir(run.id) / "checkpoint").mkdir()
        (data.run_dir(run.id) / "checkpoint" / "weights.npz").write_bytes(b"w" * 1000 * run.id)
    store.update_project(1, active_run_id=1)
    store.close()
    return settings


def save(settings: Settings, target: Path, **options: bool) -> backup_module.BackupReport:
    store = Store.open(settings.resolved_database_url)
    try:
        return backup(settings, store, target, now=5.0, progress=silent, **options)
    finally:
        store.close()


def elsewhere(tmp_path: Path) -> Settings:
    return Settings(data_dir=tmp_path / "other", database_url="")


def test_there_and_back(filled: Settings, tmp_path: Path) -> None:
    target = tmp_path / "out" / "b.tar.gz"
    report = save(filled, target)
    assert (report.projects, report.runs) == (1, 1)
    assert stat.S_IMODE(target.stat().st_mode) == 0o600
    other = elsewhere(tmp_path)
    restored = restore(other, target, now=9.0, progress=silent)
    assert (restored.projects, restored.runs, restored.moved_aside) == (1, 1, None)
    data = DataDir(other.data_dir)
    np.testing.assert_array_equal(Vectors.existing(data.vectors_dir("lite0-ab")).rows([2]), np.ones((1, 4)))
    assert load_secrets(data).media_secret == "signs urls"
    assert (data.run_dir(1) / "checkpoint" / "weights.npz").stat().st_size == 1000
    assert sorted(path.name for path in data.runs_dir.iterdir()) == ["000001"]
    store = Store.open(other.resolved_database_url)
    assert store.annotations(1)[0].result == ["x"]
    assert store.items(1)[0].task_id == 3
    assert [(run.id, run.state) for run in store.runs(1)] == [(3, "failed"), (2, "failed"), (1, "done")]
    assert store.run(3).error.startswith("It was open when the backup was made")
    assert store.run(3).finished_at == 9.0
    store.close()
    assert not [name for name in os.listdir(data.root) if name.startswith(".")]
    assert not [name for name in os.listdir(filled.data_dir) if name.startswith(".")]


def test_all_runs(filled: Settings, tmp_path: Path) -> None:
    assert save(filled, tmp_path / "b.tar.gz", all_runs=True).runs == 3


def test_neither_overwrites_unasked(filled: Settings, tmp_path: Path) -> None:
    target = tmp_path / "b.tar.gz"
    save(filled, target)
    with pytest.raises(Conflict, match="exists already"):
        save(filled, target)
    save(filled, target, force=True)
    with pytest.raises(Conflict, match="holds state already; repeat with --force"):
        restore(filled, target)
    store = Store.open(filled.resolved_database_url)
    store.upsert_project(2, "After the backup", "", 1.0)
    store.close()
    report = restore(filled, target, force=True)
    assert report.moved_aside is not None
    store = Store.open(filled.resolved_database_url)
    assert [row.id for row in store.projects()] == [1]
    store.close()
    old = Store.open(f"sqlite:///{report.moved_aside}/paploop.db")
    assert [row.id for row in old.projects()] == [1, 2]
    old.close()
    assert (report.moved_aside / "runs" / "000003").is_dir()


def test_an_empty_database_is_no_state(filled: Settings, tmp_path: Path) -> None:
    save(filled, tmp_path / "b.tar.gz")
    other = elsewhere(tmp_path)
    load_secrets(DataDir(other.data_dir))
    Store.open(other.resolved_database_url).close()
    restore(other, tmp_path / "b.tar.gz")
    assert load_secrets(DataDir(other.data_dir)).media_secret == "signs urls"


def test_a_damaged_database_needs_force_and_is_kept(filled: Settings, tmp_path: Path) -> None:
    save(filled, tmp_path / "b.tar.gz")
    other = elsewhere(tmp_path)
    DataDir(other.data_dir)
    (other.data_dir / "paploop.db").write_bytes(b"rubbish" * 1000)
    with pytest.raises(Conflict, match="--force"):
        restore(other, tmp_path / "b.tar.gz")
    aside = restore(other, tmp_path / "b.tar.gz", force=True).moved_aside
    assert aside is not None
    assert (aside / "paploop.db").read_bytes().startswith(b"rubbish")


@pytest.mark.parametrize("name", backup_module.SERVICE_LOCKS)
def test_nothing_is_restored_under_a_running_service(filled: Settings, tmp_path: Path, name: str) -> None:
    save(filled, tmp_path / "b.tar.gz")
    with DataDir(filled.data_dir).lock(name, shared=True), pytest.raises(Conflict, match=f"holds '{name}'"):
        restore(filled, tmp_path / "b.tar.gz", force=True)


def test_backup_while_others_write(filled: Settings, tmp_path: Path) -> None:
    store, writer = Store.open(filled.resolved_database_url), Store.open(filled.resolved_database_url)

    def progress(fraction: float, message: str) -> None:
        writer.add_event(1, "X", {}, 1.0)
        Vectors(DataDir(filled.data_dir).vectors_dir("lite0-ab"), 4).append(np.zeros((1, 4), np.float32))

    backup(filled, store, tmp_path / "b.tar.gz", progress=progress)
    store.close()
    writer.close()
    other = elsewhere(tmp_path)
    restore(other, tmp_path / "b.tar.gz")
    assert len(Vectors.existing(DataDir(other.data_dir).vectors_dir("lite0-ab"))) >= 3


def test_postgresql_brings_its_own_tools(settings: Settings, tmp_path: Path) -> None:
    elsewhere = settings.model_copy(update={"database_url": "postgresql+psycopg://x@localhost/y"})
    with pytest.raises(Conflict, match="pg_restore"):
        restore(elsewhere, tmp_path / "b.tar.gz")


def test_postgresql_backup(store: Store, settings: Settings, tmp_path: Path) -> None:
    if store.database.is_sqlite:
        backup(settings, store, tmp_path / "b.tar.gz")
    else:
        with pytest.raises(Conflict, match="pg_dump"):
            backup(settings, store, tmp_path / "b.tar.gz")
        assert not (tmp_path / "b.tar.gz").exists()


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


def drop_last(contents: dict[str, Any], rest: list[tuple[tarfile.TarInfo, bytes]]) -> None:
    rest.pop()


def twice(contents: dict[str, Any], rest: list[tuple[tarfile.TarInfo, bytes]]) -> None:
    rest.append(rest[-1])


def other_format(contents: dict[str, Any], rest: list[tuple[tarfile.TarInfo, bytes]]) -> None:
    contents["format"] = 99


def no_sizes(contents: dict[str, Any], rest: list[tuple[tarfile.TarInfo, bytes]]) -> None:
    contents["files"] = {"paploop.db": "many"}


def broken_database(contents: dict[str, Any], rest: list[tuple[tarfile.TarInfo, bytes]]) -> None:
    rest[0] = (rest[0][0], rest[0][1][:4096] + b"\xff" * (len(rest[0][1]) - 4096))


def foreign_database(contents: dict[str, Any], rest: list[tuple[tarfile.TarInfo, bytes]]) -> None:
    rest[0] = (rest[0][0], b"")
    contents["files"]["paploop.db"] = 0


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (add("../evil"), "is no name of a backup's file"),
        (add("/etc/evil"), "is no name"),
        (add("runs/000001/../../evil"), "is no name"),
        (add("runs/000001/./evil"), "is no name"),
        (add("runs/000001//evil"), "is no name"),
        (add("vectors/../vectors.f32"), "is no name"),
        (add("vectors/x/other.txt"), "is no name"),
        (add("notes.txt"), "is no name"),
        (add("runs/000009/link", tarfile.SYMTYPE, "/etc/passwd"), "is no plain file"),
        (add("runs/000009/hard", tarfile.LNKTYPE, "paploop.db"), "is no plain file"),
        (add("runs/000009/dev", tarfile.CHRTYPE), "is no plain file"),
        (add("runs/000009/fifo", tarfile.FIFOTYPE), "is no plain file"),
        (add("runs/000009/x", listed=False), "does not agree with the table of contents"),
        (twice, "does not agree"),
        (drop_last, "is missing"),
        (other_format, "its format is 99"),
        (no_sizes, "is no number of bytes"),
        (broken_database, "damaged"),
        (foreign_database, "not one of PapLoop"),
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
    with pytest.raises(Unavailable, match="free some space"):
        read_archive(tmp_path / "a.tar.gz", tmp_path, silent)


def test_what_a_killed_backup_left_is_cleared(filled: Settings, tmp_path: Path) -> None:
    (filled.data_dir / ".backup-killed").mkdir()
    (filled.data_dir / ".backup-killed" / "paploop.db").write_bytes(b"half")
    save(filled, tmp_path / "b.tar.gz")
    assert not (filled.data_dir / ".backup-killed").exists()


def test_a_failing_backup_leaves_no_file(filled: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    store = Store.open(filled.resolved_database_url)
    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(PapLoopError, match="the disk is full"):
        backup(filled, store, tmp_path / "out" / "b.tar.gz")
    monkeypatch.undo()
    store.close()
    assert os.listdir(tmp_path / "out") == []
    assert not [name for name in os.listdir(filled.data_dir) if name.startswith(".backup")]


def test_a_backup_of_a_newer_version(filled: Settings, tmp_path: Path) -> None:
    store = Store.open(filled.resolved_database_url)
    with store.database.write() as connection:
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = '9999'")
    backup(filled, store, tmp_path / "b.tar.gz")
    store.close()
    with pytest.raises(Conflict, match="newer PapLoop"):
        restore(elsewhere(tmp_path), tmp_path / "b.tar.gz")
