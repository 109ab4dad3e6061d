"""Every command on a small project: tables, JSON, and one sentence for each mistake."""

from __future__ import annotations

import csv
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from ml_backend.cli import build_app, exit_code, main
from ml_backend.errors import LabelStudioUnavailable, NotFound
from strategies.base import StrategyError
from tests.fakes.label_studio import FakeLabelStudio
from tests.ml_backend.cli.conftest import NOW, Shell
from training.types import TrainingError

HEAVY = {"torch", "sklearn", "sqlalchemy", "flask", "label_studio_sdk", "faiss", "matplotlib", "pandas", "timm"}


def command_names() -> list[str]:
    return sorted(str(command.name or command.callback.__name__) for command in build_app().registered_commands)


def test_help_imports_nothing_heavy() -> None:
    code = "import sys; from ml_backend.cli import build_app; build_app(); print(' '.join(sys.modules))"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert not HEAVY & set(loaded)


def test_the_promised_commands_are_there() -> None:
    promised = "up serve worker connect ingest status rank strategy train runs rollback reconcile simulate"
    assert {*promised.split(), "export", "backup", "restore"} <= set(command_names())


@pytest.mark.parametrize("command", command_names())
def test_help_has_an_example(shell: Shell, command: str) -> None:
    assert f"paploop {command}" in re.sub(r"\s+", " ", shell(command, "--help"))


@pytest.mark.usefixtures("project")
def test_status(shell: Shell) -> None:
    (answer,) = shell.json("status")
    assert (answer["project"], answer["items"], answer["labels"]) == (
        7,
        {"ready": 4},
        {"parabasal": 1, "superficial": 0},
    )
    assert "Redis" in answer["jobs_waiting"]
    assert "Cells" in shell("status", "7")


def test_status_without_a_project_says_what_to_do(shell: Shell) -> None:
    assert "paploop connect PROJECT" in shell("status")
    assert shell.json("status") == []


@pytest.mark.usefixtures("project")
def test_strategy_is_shown_changed_and_listed(shell: Shell) -> None:
    changed = shell.json("strategy", "margin", "--set", "window=50", "--set", "group_pattern=^(\\d+)-")
    assert (changed["strategy"], changed["window"], changed["group_pattern"]) == ("margin", 50, r"^(\d+)-")
    assert shell.json("strategy")["strategy"] == "margin"
    assert {"uniform", "entropy", "margin", "core_set"} <= {info["name"] for info in shell.json("strategy", "--list")}
    assert "margin" in shell("strategy")


@pytest.mark.usefixtures("project")
@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("strategy", "nonsense"), "no strategy 'nonsense'"),
        (("strategy", "--set", "window"), "not of the form name=value"),
        (("strategy", "--set", "window=0"), "'window' cannot be 0"),
        (("strategy", "--set", "windows=3"), "no project setting 'windows'"),
        (("status", "8"), "8"),
        (("runs", "--run", "99"), "99"),
        (("rollback", "99"), "99"),
        (("up", "--images", "no/such/folder"), "There is no folder"),
        (("simulate", "--strategies", "entropy"), "needs a class folder or a COCO folder"),
        (("export", "labels.xlsx"), "Use .csv, .json or .jsonl"),
    ],
)
def test_mistakes_get_a_sentence(shell: Shell, words: tuple[str, ...], sentence: str) -> None:
    message, code = shell.fails(*words)
    assert sentence in message
    assert code == 2


@pytest.mark.usefixtures("project")
def test_a_project_must_be_named_when_there_are_several(shell: Shell) -> None:
    store = shell.store()
    store.projects.upsert(8, "Others", "", NOW)
    store.close()
    assert shell.fails("runs") == ("There are several projects; name one of them: 7 (Cells), 8 (Others).", 2)


@pytest.mark.usefixtures("project")
def test_train_and_rank_open_one_run_that_runs_shows(shell: Shell) -> None:
    first = shell.json("train")
    assert (first["kind"], first["state"], first["reason"]) == ("train", "prepare", "Requested on the command line.")
    assert shell.json("rank")["id"] == first["id"]
    assert [run["id"] for run in shell.json("runs")] == [first["id"]]
    assert "Requested on the command line." in shell("runs")
    assert shell.json("runs", "--run", str(first["id"]))["request"] == {"version": 1}


@pytest.mark.usefixtures("project")
def test_rank_show_lists_the_head_of_the_order(shell: Shell) -> None:
    assert shell.json("rank", "--show", "5") == []


@pytest.mark.usefixtures("project")
@pytest.mark.parametrize("ending", ["csv", "json", "jsonl"])
def test_export(shell: Shell, tmp_path: Path, ending: str) -> None:
    target = tmp_path / f"labels.{ending}"
    assert shell.json("export", str(target))["labelled"] == 1
    text = target.read_text()
    if ending == "csv":
        rows = list(csv.DictReader(text.splitlines()))
    else:
        rows = json.loads(text) if ending == "json" else [json.loads(line) for line in text.splitlines()]
    assert len(rows) == 4
    assert rows[0]["label"] == "parabasal"
    assert rows[1]["label"] in (None, "")
    assert rows[1]["left_out"]


@pytest.mark.usefixtures("project")
def test_backup_and_restore(shell: Shell, tmp_path: Path) -> None:
    shell("status")
    target = tmp_path / "all.tar.gz"
    assert shell.json("backup", str(target))["projects"] == 1
    message, code = shell.fails("restore", str(target))
    assert "--force" in message
    assert code == 2
    assert shell.json("restore", str(target), "--force")["projects"] == 1
    assert shell.json("status")[0]["project"] == 7


@pytest.mark.usefixtures("project")
def test_label_studio_that_is_away_is_no_bad_request(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PAPLOOP_LABEL_STUDIO_URL", "http://127.0.0.1:1")
    message, code = shell.fails("reconcile")
    assert "127.0.0.1:1" in message
    assert code == 1


def test_connecting_a_project_that_cannot_be_driven_changes_nothing(shell: Shell, fake: FakeLabelStudio) -> None:
    boxes = '<RectangleLabels name="b_{{i}}" toName="p_{{i}}"><Label value="A"/></RectangleLabels>'
    project = fake.add_project(f'<View><Repeater on="$pages"><Image name="p_{{{{i}}}}"/>{boxes}</Repeater></View>')
    message, code = shell.fails("connect", str(project))
    assert (code, "Repeater (several images per task)" in message) == (2, True)
    assert not fake.state.backends
    assert not shell.store().projects.all()


@pytest.mark.usefixtures("fake")
def test_connecting_a_project_that_is_not_there(shell: Shell) -> None:
    message, code = shell.fails("connect", "4711")
    assert "4711" in message
    assert code == 2


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (NotFound("x"), 2),
        (LabelStudioUnavailable("x"), 1),
        (StrategyError("x"), 2),
        (TrainingError("x"), 1),
        (ValueError(), None),
    ],
)
def test_exit_codes(error: Exception, code: int | None) -> None:
    assert exit_code(error) == code


@pytest.mark.usefixtures("shell")
def test_main_prints_one_sentence_and_no_traceback(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["paploop", "runs", "12"])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code in (0, 2)
    monkeypatch.setattr(sys, "argv", ["paploop", "rollback", "12"])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 2
    said = capsys.readouterr().err
    assert "12" in said
    assert "Traceback" not in said
