"""What `paploop up` does with a user's folder whose names tell the patients, before anybody has said so."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from pydantic import SecretStr

from ml_backend.intake.projects import Interface
from ml_backend.intake.source_groups import EACH_FILE
from ml_backend.operations.launch import content
from tests.fakes.progress import quiet
from tests.ml_backend.loop.classes import Loop


@pytest.fixture
def folder(cells: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    # Without a worker nobody would make the order that it waits for.
    monkeypatch.setattr(content, "_first_order", lambda *_: None)
    return Path(shutil.copytree(cells, tmp_path / "mine"))


def filled(loop: Loop, folder: Path, pattern: str) -> tuple[int, int]:
    """Start with first labels; the project and how many annotations it then has."""
    secret = SecretStr("s" * 20)
    settings = loop.services.settings.model_copy(update={"basic_auth_password": secret, "webhook_secret": secret})
    project = content.fill(
        replace(loop.services, settings=settings), folder, 10, quiet, Interface.parse("classes", ""), pattern
    )
    tasks = loop.fake.state.tasks_of(project)
    return project, sum(len(loop.fake.state.annotations_of(task["id"])) for task in tasks)


def test_first_labels_wait_until_the_proposal_is_answered(
    loop: Loop, folder: Path, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    project, labels = filled(loop, folder, "")
    assert labels == 0, "a model would train on them and freeze a split that mixes patients"
    assert "share prefixes" in capsys.readouterr().out
    assert "GROUP_PATTERN=auto" in caplog.text
    again, labels = filled(loop, folder, "auto")
    assert (again, labels) == (project, 10)
    sides: dict[str, set[str]] = {}
    for item in loop.store.items.all(project):
        sides.setdefault(item.source_group, set()).add(item.split)
    assert all(len(found) == 1 for found in sides.values())
    assert len(sides) < len(loop.store.items.all(project))


def test_names_that_tell_nothing_are_said_to_once(loop: Loop, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    project, labels = filled(loop, folder, "none")
    assert labels == 10
    assert loop.store.projects.settings(project).group_pattern == EACH_FILE
    assert {item.source_group for item in loop.store.items.all(project)} == {
        item.data["name"] for item in loop.store.items.all(project)
    }
    assert filled(loop, folder, "")[0] == project
    assert "share prefixes" not in capsys.readouterr().out
