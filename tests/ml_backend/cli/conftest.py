from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from ml_backend import settings as settings_module
from ml_backend.cli import INCOMPLETE, build_app, exit_code
from ml_backend.intake.projects import label_config
from ml_backend.settings import Settings
from ml_backend.state.records import AnnotationRow, NewItem
from ml_backend.state.store import Store
from tests.fakes.label_studio import LEGACY, FakeLabelStudio

CLASSES = ("parabasal", "superficial")
NOW = 1_800_000_000.0


@dataclass
class Shell:
    """`paploop` on a data directory of its own."""

    data_dir: Path

    def __call__(self, *words: str) -> str:
        """What a command prints; it must succeed."""
        result = CliRunner().invoke(build_app(), list(words))
        assert result.exit_code == 0, f"{result.output}\n{result.exception!r}"
        return str(result.stdout)

    def partly(self, *words: str) -> str:
        """What a command prints that did its work and left something out."""
        result = CliRunner().invoke(build_app(), list(words))
        assert result.exit_code == INCOMPLETE, f"{result.output}\n{result.exception!r}"
        return str(result.stdout)

    def json(self, *words: str) -> Any:
        """What a command answers as JSON."""
        return json.loads(self(*words, "--json"))

    def fails(self, *words: str) -> tuple[str, int]:
        """The sentence and the exit status of a command that a user must correct."""
        result = CliRunner().invoke(build_app(), list(words))
        assert isinstance(result.exception, Exception), result.output
        code = exit_code(result.exception)
        assert code is not None, f"a programming error: {result.exception!r}"
        return str(result.exception), code

    def store(self) -> Store:
        self.data_dir.mkdir(exist_ok=True)
        return Store.open(Settings.model_validate({"data_dir": self.data_dir}).resolved_database_url)


@pytest.fixture
def shell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Shell]:
    monkeypatch.setenv("PAPLOOP_DATA_DIR", str(tmp_path / "state"))
    monkeypatch.setenv("PAPLOOP_REDIS_URL", "redis://127.0.0.1:1/0")
    monkeypatch.setenv("COLUMNS", "200")
    settings_module.load_settings.cache_clear()
    yield Shell(tmp_path / "state")
    settings_module.load_settings.cache_clear()


@pytest.fixture
def project(shell: Shell) -> int:
    """Project 7 with four images, one labeled, one skipped."""
    store = shell.store()
    store.projects.upsert(7, "Cells", label_config(CLASSES), NOW)
    items = [
        NewItem(
            source=f"/cells/{name}/{n}.png", task_id=n, state="ready", split="train", data={"name": f"{name}/{n}.png"}
        )
        for n, name in enumerate(("parabasal", "superficial", "parabasal", "superficial"), start=1)
    ]
    store.items.add(7, items, NOW)
    region = {"from_name": "class", "to_name": "image", "type": "choices", "value": {"choices": ["parabasal"]}}
    stamp = "2026-11-21T09:31:37.197599Z"
    rows = [
        AnnotationRow(id=1, task_id=1, completed_by=1, result=[region], updated_at=stamp),
        AnnotationRow(id=2, task_id=2, completed_by=1, was_cancelled=True, updated_at=stamp),
    ]
    store.labels.upsert(7, rows, NOW)
    store.close()
    return 7


@pytest.fixture
def fake(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeLabelStudio]:  # noqa: ARG001  (a command line first)
    """A Label Studio on a socket that the command line is pointed at."""
    fake = FakeLabelStudio()
    with fake.serve() as url:
        monkeypatch.setenv("PAPLOOP_LABEL_STUDIO_URL", url)
        monkeypatch.setenv("PAPLOOP_LABEL_STUDIO_TOKEN", LEGACY)
        settings_module.load_settings.cache_clear()
        yield fake
