"""A third kind of project walks a whole cycle without a change to the other two, the steps or the state."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ml_backend.effort.report import effort_report
from ml_backend.errors import PapLoopError
from ml_backend.label_studio.config import parse_label_config
from ml_backend.labels.project import project_labels
from ml_backend.loop.kinds.registry import kind_named, kind_of, kind_of_run
from ml_backend.reports.overview import overview
from ml_backend.reports.run_summary import run_summary
from ml_backend.runs import request_run, rollback
from ml_backend.state.project_settings import ProjectSettings
from ml_backend.state.records import NewItem
from ml_backend.web.serving import serving_of
from tests.fakes.label_studio import choice
from tests.fakes.world import Studio
from tests.ml_backend.loop.kinds.pairs import CONFIG, SAME, colours_apart, register

PAIRS = 24


@pytest.fixture(scope="module")
def pairs(tmp_path_factory: pytest.TempPathFactory, cells: Path) -> Iterator[Studio]:
    """Pairs of images, every other one of them twice the same image."""
    with pytest.MonkeyPatch.context() as patch:
        register(patch)
        studio = Studio.begin(tmp_path_factory.mktemp("pairs") / "state", CONFIG, "Pairs")
        settings = ProjectSettings(retrain_labels=1000, retrain_minutes=10_000, duplicate_radius=0.0)
        studio.store.projects.save_settings(studio.project, settings)
        files = sorted(cells.rglob("*.png"))[: PAIRS + 1]
        others = [file if number % 2 else files[number + 1] for number, file in enumerate(files[:PAIRS])]
        tasks = studio.services.label_studio.import_tasks(
            studio.project,
            [{"data": {"image": left.name, "other": right.name}} for left, right in zip(files, others, strict=False)],
        )
        studio.store.items.add(
            studio.project,
            [
                NewItem(str(left), task, data={"root": str(cells), "name": left.name, "other": str(right)})
                for left, right, task in zip(files, others, tasks, strict=False)
            ],
            studio.services.clock(),
        )
        yield studio
        studio.store.close()


def proposed(studio: Studio, task: int) -> list[dict[str, Any]]:
    """The regions that annotators see on a task, in the version that is active."""
    active = studio.store.projects.one(studio.project).active_version
    shown = [p["result"] for p in studio.fake.state.predictions_of(task) if active and p["model_version"] == active]
    return list(shown[0]) if shown else []


def compare(studio: Studio, count: int) -> None:
    """Say of the next pairs whether they are the same, in the order of the label stream."""
    items = {item.task_id: item for item in studio.store.items.all(studio.project)}
    for _ in range(count):
        task = studio.services.label_studio.next_task(studio.project)
        assert task is not None
        item = items[task["id"]]
        said = SAME if item.source == item.data["other"] else "different"
        result = proposed(studio, task["id"]) or choice(said, "pair", "left")
        assert result[0]["value"]["choices"] == [said], "the model tells all of these pairs right"
        studio.services.label_studio.create_annotation(task["id"], result, 1.0)
    studio.apply()


def test_from_comparisons_to_an_order_with_predictions(pairs: Studio) -> None:
    compare(pairs, 10)
    counts = project_labels(pairs.store, pairs.project).by_class()
    assert (set(counts), sum(counts.values())) == ({SAME, "different"}, 10)
    asked = request_run(
        pairs.services.store, pairs.project, kind="train", reason="By hand.", now=pairs.services.clock()
    )
    run = pairs.settle()
    assert (run.id, run.state, run.error, run.decision) == (asked.id, "done", "", "promoted")
    assert kind_of_run(run) is kind_of(parse_label_config(CONFIG))
    assert (run.request.task, run.request.classes, run.request.labels) == ("pairs", (SAME, "different"), 10)
    assert run.metrics.own["right"] == run.metrics.judgement["pairs"] == 10
    active = pairs.fake.state.projects[pairs.project]["model_version"]
    assert active == pairs.store.projects.one(pairs.project).active_version
    shown = {
        task["id"]: prediction
        for task in pairs.fake.state.tasks_of(pairs.project)
        for prediction in pairs.fake.state.predictions_of(task["id"])
        if prediction["model_version"] == active
    }
    assert len(shown) == run.metrics.publish["pairs"] == run.metrics.publish["pushed"] == PAIRS - 10
    for item in pairs.store.items.all(pairs.project):
        if item.task_id in shown:
            (region,) = shown[item.task_id]["result"]
            is_same = colours_apart([item.source, item.data["other"]]) <= run.metrics.training["limit"]
            assert (region["value"]["choices"] == [SAME]) is is_same
    view = overview(pairs.store, pairs.project, now=pairs.services.clock())
    assert (view.problem, view.active_run, sum(view.labels.values())) == ("", run.id, 10)
    assert run_summary(run)["labels"] == 10


def test_the_next_run_knows_its_predecessor_and_can_be_rolled_back(pairs: Studio) -> None:
    first = pairs.store.projects.one(pairs.project).active_run_id
    assert first is not None
    compare(pairs, 4)
    request_run(pairs.services.store, pairs.project, kind="train", reason="More.", now=pairs.services.clock())
    second = pairs.settle()
    assert (second.state, second.request.own["goes_on_from"]) == ("done", first)
    assert second.metrics.judgement["incumbent_run"] == first
    rollback(pairs.services.store, pairs.services.files, pairs.project, first, now=pairs.services.clock())
    assert pairs.settle().state == "done"
    assert pairs.store.projects.one(pairs.project).active_run_id == first
    assert set(pairs.prediction_counts().values()) == {0, 1}


def test_predict_serves_stored_pairs_and_asks_the_model_about_others(pairs: Studio) -> None:
    serving = serving_of(pairs.services, timer=lambda: 0.0)
    tasks = pairs.fake.state.tasks_of(pairs.project)
    stored: list[Any] = serving.predict(pairs.project, tasks)
    shown = [answer["result"][0]["value"]["choices"][0] for answer in stored if answer]
    assert len(shown) == PAIRS
    assert set(shown) == {SAME, "different"}
    active = pairs.store.projects.one(pairs.project).active_run_id
    assert active is not None
    pairs.store.answers.delete(active)
    again: list[Any] = serving.predict(pairs.project, tasks)
    assert [answer["result"][0]["value"]["choices"][0] for answer in again if answer] == shown
    effort = effort_report(pairs.store, pairs.project)
    assert (effort.total.images, effort.total.accepted, effort.by_hand.images) == (4, 4, 10)


@pytest.mark.usefixtures("pairs")
def test_a_kind_that_nobody_wrote_is_named() -> None:
    assert kind_named("classes").name == "classes"
    for name in ("triples", "no name", "", "base.Kind"):
        with pytest.raises(PapLoopError, match="does not know the kind of project"):
            kind_named(name)


def test_the_overview_says_what_it_counts(pairs: Studio) -> None:
    assert overview(pairs.store, pairs.project, now=pairs.services.clock()).counted == "pairs compared"
