import os
import stat
from pathlib import Path

import numpy as np
import pytest

from ml_backend.errors import Conflict, PapLoopError
from ml_backend.operations import backup as backup_module
from ml_backend.operations.backup import backup, restore
from ml_backend.settings import Settings
from ml_backend.state.files import DataDir
from ml_backend.state.secret_file import load_secrets
from ml_backend.state.store import Store
from ml_backend.state.vectors import Vectors
from tests.fakes.machine import fill_the_disk
from tests.fakes.progress import silent
from tests.ml_backend.operations.backups import elsewhere, filled, save, settings
from tests.ml_backend.state.conftest import store as store
from tests.ml_backend.state.conftest import url as url

__all__ = ["filled", "settings"]


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
    assert store.labels.all(1)[0].result == ["x"]
    assert store.items.all(1)[0].task_id == 3
    states = [(run.id, run.state) for run in store.runs.latest(1)]
    # what was open has ended, and an order of what came back is asked for
    assert states == [(4, "prepare"), (3, "failed"), (2, "failed"), (1, "done")]
    assert (store.runs.one(4).kind, store.runs.one(4).reason) == ("rank", "The state was restored from a backup.")
    assert store.runs.one(3).error.startswith("The run was open when the backup was made")
    assert store.runs.one(3).finished_at == 9.0
    store.close()
    assert not [name for name in os.listdir(data.root) if name.startswith(".")]
    assert not [name for name in os.listdir(filled.data_dir) if name.startswith(".")]


def test_events_that_no_database_has_yet(filled: Settings, tmp_path: Path) -> None:
    """A webhook is acknowledged once it is a file: a backup that left the file out would lose what it said."""
    waiting = DataDir(filled.data_dir).root / "inbox" / "00000000000000000007-12-000000.json"
    waiting.parent.mkdir()
    waiting.write_text('{"project_id": 1}')
    waiting.with_suffix(".part").write_text("{")
    target = tmp_path / "b.tar.gz"
    save(filled, target)
    other = elsewhere(tmp_path)
    restore(other, target)
    kept = DataDir(other.data_dir).root / "inbox"
    assert [path.name for path in kept.iterdir()] == [waiting.name]
    assert (kept / waiting.name).read_text() == '{"project_id": 1}'
    assert restore(other, target, force=True).moved_aside is not None
    assert (kept / waiting.name).exists()


def test_all_runs(filled: Settings, tmp_path: Path) -> None:
    assert save(filled, tmp_path / "b.tar.gz", all_runs=True).runs == 3


def test_neither_overwrites_unasked(filled: Settings, tmp_path: Path) -> None:
    target = tmp_path / "b.tar.gz"
    save(filled, target)
    with pytest.raises(Conflict, match="already exists"):
        save(filled, target)
    save(filled, target, force=True)
    with pytest.raises(Conflict, match=r"already contains state\. Use --force"):
        restore(filled, target)
    store = Store.open(filled.resolved_database_url)
    store.projects.upsert(2, "After the backup", "", 1.0)
    store.close()
    report = restore(filled, target, force=True)
    assert report.moved_aside is not None
    store = Store.open(filled.resolved_database_url)
    assert [row.id for row in store.projects.all()] == [1]
    store.close()
    old = Store.open(f"sqlite:///{report.moved_aside}/paploop.db")
    assert [row.id for row in old.projects.all()] == [1, 2]
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
    with DataDir(filled.data_dir).lock(name, shared=True), pytest.raises(Conflict, match=f"is using '{name}'"):
        restore(filled, tmp_path / "b.tar.gz", force=True)


def test_backup_while_others_write(filled: Settings, tmp_path: Path) -> None:
    store, writer = Store.open(filled.resolved_database_url), Store.open(filled.resolved_database_url)

    def progress(_fraction: float, _message: str) -> None:
        writer.events.add(1, "X", {}, 1.0)
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
        assert (tmp_path / "b.tar.gz").stat().st_size
    else:
        with pytest.raises(Conflict, match="pg_dump"):
            backup(settings, store, tmp_path / "b.tar.gz")
        assert not (tmp_path / "b.tar.gz").exists()


def test_what_a_killed_backup_left_is_cleared(filled: Settings, tmp_path: Path) -> None:
    (filled.data_dir / ".backup-killed").mkdir()
    (filled.data_dir / ".backup-killed" / "paploop.db").write_bytes(b"half")
    save(filled, tmp_path / "b.tar.gz")
    assert not (filled.data_dir / ".backup-killed").exists()


def test_a_failing_backup_leaves_no_file(filled: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = Store.open(filled.resolved_database_url)
    fill_the_disk(monkeypatch)
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
