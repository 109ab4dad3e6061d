"""A data directory that b052e42 wrote opens, migrates and goes on; its README says how it was made."""

from __future__ import annotations

import json
import sqlite3
import tarfile
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from ml_backend.reports.next_items import next_items
from ml_backend.reports.overview import overview
from ml_backend.runs import request_run, rollback
from ml_backend.state.migrate import revision
from ml_backend.state.migrations import HEAD
from ml_backend.web.serving import serving_of
from tests.fakes.label_studio import FakeLabelStudio
from tests.fakes.world import NOW, Clock, Studio, open_services, settings_in
from tests.ml_backend.loop.classes import Loop

ARCHIVE = Path(__file__).parents[2] / "fixtures" / "states" / "b052e42" / "state.tar.xz"
DAY = 86400.0
CELLS, BLOBS = 1, 2
FIRST, OF_BLOBS, NEWEST = 2, 4, 5
"""The runs that trained a promoted model, two of the cells and one of the blobs."""


def laid_out(root: Path) -> FakeLabelStudio:
    """State and images under `root`, and the Label Studio of that day."""
    with tarfile.open(ARCHIVE) as archive:
        # Filters came with Python 3.11.4; the archive is our own.
        archive.extractall(root, **({"filter": "data"} if hasattr(tarfile, "data_filter") else {}))
    for path in (path for path in root.rglob("*") if path.suffix in (".sql", ".json", ".jsonl")):
        path.write_text(path.read_text().replace("@ROOT@", str(root)))
    with closing(sqlite3.connect(root / "state" / "paploop.db")) as database:
        database.executescript((root / "database.sql").read_text())
    fake = FakeLabelStudio()
    for name, table in json.loads((root / "label_studio.json").read_text()).items():
        keyed = table if name == "_numbers" else {int(number): row for number, row in table.items()}
        setattr(fake.state, name, keyed)
    return fake


@pytest.fixture
def cells(tmp_path: Path) -> Iterator[Loop]:
    fake = laid_out(tmp_path)
    services = open_services(settings_in(tmp_path / "state"), fake, Clock(NOW + DAY))
    items = services.store.items.all(CELLS)
    truth = {int(item.task_id): item.data["name"].split("/")[0] for item in items if item.task_id is not None}
    yield Loop(services, fake, CELLS, truth)
    services.store.close()


@pytest.fixture
def blobs(cells: Loop) -> Studio:
    return Studio(cells.services, cells.fake, BLOBS)


def shown(studio: Studio, tasks: list[dict[str, Any]]) -> dict[int, Any]:
    """Task -> what `/predict` returns."""
    answers = serving_of(studio.services).predict(studio.project, tasks)
    return {task["id"]: answer for task, answer in zip(tasks, answers, strict=True)}


def class_of(answer: Any) -> str:
    return str(answer["result"][0]["value"]["choices"][0])


def test_nothing_is_lost_by_the_migration(cells: Loop) -> None:
    store = cells.store
    assert revision(store.database) == HEAD
    assert [len(store.items.all(project)) for project in (CELLS, BLOBS)] == [16, 8]
    assert [len(store.labels.all(project)) for project in (CELLS, BLOBS)] == [12, 6]
    assert [store.projects.one(project).active_run_id for project in (CELLS, BLOBS)] == [NEWEST, OF_BLOBS]
    assert {run.state for project in (CELLS, BLOBS) for run in store.runs.latest(project)} == {"done"}
    assert [event.action for event in store.events.all_open()] == ["ANNOTATION_CREATED"]
    for item in store.items.all(CELLS):
        assert cells.services.images.of(item).is_file()


@pytest.mark.parametrize(
    ("project", "labels", "waiting"), [(CELLS, {"long": 6, "round": 6}, 4), (BLOBS, {"dark": 6, "pale": 4}, 2)]
)
def test_a_lead_sees_the_project_as_it_stood(cells: Loop, project: int, labels: dict[str, int], waiting: int) -> None:
    view = overview(cells.services.store, project, now=cells.services.clock())
    assert view.problem == ""
    assert view.labels == labels
    rows = next_items(cells.services.store, cells.services.settings, project, 5)
    assert len(rows) == waiting
    assert all(row["why"] for row in rows)


def test_the_old_model_answers(cells: Loop) -> None:
    tasks = cells.fake.state.tasks_of(CELLS)
    version = cells.store.projects.one(CELLS).active_version
    answers = shown(cells, tasks)
    assert {answer["model_version"] for answer in answers.values()} == {version}
    assert {task: class_of(answer) for task, answer in answers.items()} == cells.truth


def test_the_old_detector_answers_as_it_did(blobs: Studio) -> None:
    state = blobs.fake.state
    tasks = [task for task in state.tasks_of(BLOBS) if not state.is_labeled(task)]
    pushed = {task["id"]: state.predictions_of(task["id"])[-1] for task in tasks}
    answers = shown(blobs, tasks)
    assert {task: answer["result"] for task, answer in answers.items()} == {
        task: prediction["result"] for task, prediction in pushed.items()
    }
    assert {answer["model_version"] for answer in answers.values()} == {p["model_version"] for p in pushed.values()}
    assert any(prediction["result"] for prediction in pushed.values())


def test_the_loop_goes_on(cells: Loop) -> None:
    before = cells.store.projects.one(CELLS).active_version
    cells.label(1)
    cells.apply()
    assert len(cells.store.labels.all(CELLS)) == 14, "the label that waited, and the new one"
    assert cells.store.events.all_open() == []
    asked = request_run(cells.services.store, CELLS, kind="train", reason="By hand.", now=cells.services.clock())
    run = cells.settle()
    assert (run.id, run.state, run.error) == (asked.id, "done", "")
    assert run.metrics.judgement["incumbent_run"] == NEWEST
    assert run.decision in ("promoted", "kept")
    project = cells.store.projects.one(CELLS)
    assert project.active_run_id == (run.id if run.decision == "promoted" else NEWEST)
    assert project.active_version != before
    assert cells.versions().keys() == {project.active_version}


def test_a_roll_back_to_the_first_model(cells: Loop) -> None:
    rollback(cells.services.store, cells.services.files, CELLS, FIRST, now=cells.services.clock())
    assert cells.settle().state == "done"
    project = cells.store.projects.one(CELLS)
    assert project.active_run_id == FIRST
    assert cells.versions().keys() == {project.active_version}
    answers = shown(cells, cells.fake.state.tasks_of(CELLS))
    assert {task: class_of(answer) for task, answer in answers.items()} == cells.truth


def test_training_goes_on_from_the_old_detector(blobs: Studio) -> None:
    store = blobs.store
    store.projects.save_settings(BLOBS, store.projects.settings(BLOBS).changed(train_steps=2))
    task = blobs.services.label_studio.next_task(BLOBS)
    assert task is not None
    blobs.services.label_studio.create_annotation(task["id"], [], 1.0)
    blobs.apply()
    asked = request_run(blobs.services.store, BLOBS, kind="train", reason="By hand.", now=blobs.services.clock())
    blobs.settle()
    run = store.runs.one(asked.id)
    assert (run.state, run.error) == ("done", "")
    assert run.metrics.training["settings"]["warm_start_tensors"] > 50
    assert run.metrics.judgement["incumbent_run"] == OF_BLOBS
