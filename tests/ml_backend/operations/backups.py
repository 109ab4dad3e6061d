"""What the tests of backups share: a filled data directory and ways to save and restore it."""

from pathlib import Path

import numpy as np
import pytest

from ml_backend.operations import backup as backup_module
from ml_backend.operations.backup import backup
from ml_backend.settings import Settings
from ml_backend.state.files import DataDir
from ml_backend.state.records import AnnotationRow, NewItem
from ml_backend.state.secret_file import load_secrets
from ml_backend.state.store import Store
from ml_backend.state.vectors import Vectors
from tests.fakes.progress import silent
from tests.fakes.runs import open_run


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
    store.projects.upsert(1, "One", "<View/>", 1.0)
    store.items.add(1, [NewItem("a", task_id=3, vector_row=2)], 1.0)
    store.labels.upsert(1, [AnnotationRow(1, 3, result=["x"], updated_at="2026-01-01")], 1.0)
    for state in ("done", "failed", "train"):
        run = open_run(store, 1, seed=0, change=1)
        store.runs.update(run.id, state=state)
        (data.run_dir(run.id) / "checkpoint").mkdir(parents=True)
        (data.run_dir(run.id) / "checkpoint" / "weights.npz").write_bytes(b"w" * 1000 * run.id)
    store.projects.update(1, active_run_id=1)
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
