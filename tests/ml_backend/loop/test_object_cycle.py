"""From a folder to a detector that is promoted, over the fake Label Studio: boxes, and outlines."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from typing import Any

import pytest

from ml_backend.errors import BadRequest
from ml_backend.label_studio.config import parse_label_config
from ml_backend.label_studio.regions.results import read_results
from ml_backend.label_studio.regions.shapes import bounding_box
from ml_backend.loop.steps.judge import judge
from ml_backend.loop.steps.prepare import prepare
from ml_backend.ordering.strategy_choice import change_settings
from ml_backend.reports.next_items import next_items
from ml_backend.reports.overview import overview
from ml_backend.reports.run_summary import run_summary
from ml_backend.runs import request_run, rollback
from ml_backend.web.dashboard.page import project_page
from ml_backend.web.serving import serving_of
from tests.ml_backend.loop.objects import BOXES, SIZE, ObjectLoop, make_object_loop
from tests.ml_backend.loop.objects import small_objects as small_objects
from training.geometry.boxes import iou


@pytest.fixture(scope="module")
def boxes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ObjectLoop]:
    """A project whose first detector was promoted."""
    root = tmp_path_factory.mktemp("boxes")
    loop = make_object_loop(root / "state", root / "images", BOXES)
    request_run(loop.services.store, loop.project, kind="rank", reason="First order.", now=loop.services.clock())
    assert loop.settle().state == "done"
    loop.draw(14)
    loop.apply()
    request_run(loop.services.store, loop.project, kind="train", reason="By hand.", now=loop.services.clock())
    run = loop.settle()
    assert (run.state, run.kind, run.decision) == ("done", "train", "promoted"), run
    yield loop
    loop.store.close()


def test_the_pool_is_pre_annotated_where_the_objects_are(boxes: ObjectLoop) -> None:
    job = parse_label_config(boxes.store.projects.one(boxes.project).label_config)
    open_tasks = [t for t in boxes.fake.state.tasks_of(boxes.project) if not boxes.fake.state.is_labeled(t)]
    right = wrong = missed = 0
    for task in open_tasks:
        (prediction,) = boxes.fake.state.predictions_of(task["id"])
        truth = boxes.drawn[task["id"]]
        found = read_results(prediction["result"], job.controls, SIZE).regions
        hit = set()
        for region in found:
            box = bounding_box(region.shape, SIZE)
            assert box is not None
            overlaps = iou(box[None], truth.boxes)[0] if len(truth.boxes) else []
            best = int(overlaps.argmax()) if len(truth.boxes) else -1
            if best >= 0 and overlaps[best] >= 0.5:
                hit.add(best)
            else:
                wrong += 1
        right += len(hit)
        missed += len(truth.boxes) - len(hit)
    assert right > 2 * (wrong + missed), (right, wrong, missed)


def test_what_is_served_is_what_was_pushed(boxes: ObjectLoop) -> None:
    tasks: list[Any] = boxes.fake.state.tasks_of(boxes.project)
    open_tasks = [task for task in tasks if not boxes.fake.state.is_labeled(task)]
    answers = serving_of(boxes.services).predict(boxes.project, open_tasks)
    for task, answer in zip(open_tasks, answers, strict=True):
        (pushed,) = boxes.fake.state.predictions_of(task["id"])
        assert isinstance(answer, dict)
        assert answer["model_version"] == pushed["model_version"]
        assert answer["result"] == pushed["result"]


def test_a_task_that_no_run_has_seen_is_looked_at(boxes: ObjectLoop) -> None:
    labelled = next(t for t in boxes.fake.state.tasks_of(boxes.project) if boxes.fake.state.is_labeled(t))
    (answer,) = serving_of(boxes.services).predict(boxes.project, [labelled])
    assert isinstance(answer, dict)
    assert bool(answer["result"]) == bool(len(boxes.drawn[labelled["id"]].boxes))


def test_where_the_project_stands(boxes: ObjectLoop) -> None:
    view = overview(boxes.services.store, boxes.project, now=boxes.services.clock())
    assert view.problem == ""
    drawn = [boxes.drawn[row.task_id] for row in boxes.store.labels.all(boxes.project)]
    assert sum(view.labels.values()) == sum(len(image.boxes) for image in drawn)
    summary = run_summary(boxes.store.runs.latest(boxes.project)[0])
    assert summary["measure"] == "AP50"
    assert 0.3 < summary["score"] <= 1
    assert any(
        "object" in item["why"] for item in next_items(boxes.services.store, boxes.services.settings, boxes.project, 5)
    )


def test_the_next_run_goes_on_from_the_detector_and_a_worse_one_is_not_promoted(boxes: ObjectLoop) -> None:
    boxes.draw(3)
    boxes.apply()
    before = boxes.store.projects.one(boxes.project).active_run_id
    boxes.store.projects.save_settings(
        boxes.project, boxes.store.projects.settings(boxes.project).changed(train_steps=5)
    )
    request_run(boxes.services.store, boxes.project, kind="train", reason="By hand.", now=boxes.services.clock())
    run = boxes.settle()
    assert run.state == "done", run
    assert run.metrics.training["settings"]["warm_start_tensors"] > 50
    judged = run.metrics.judgement
    assert judged["incumbent_run"] == before
    better = judged["delta_AP50"] > 0 or (
        judged["delta_AP50"] == 0 and judged["candidate"]["AP"] > judged["incumbent"]["AP"]
    )
    assert (run.decision == "promoted") == (better and not judged["classes_given_up"])
    assert boxes.store.projects.one(boxes.project).active_run_id == (run.id if run.decision == "promoted" else before)


def test_strategies_that_compare_views_get_them(boxes: ObjectLoop) -> None:
    store = boxes.store
    for name in ("box_disagreement", "class_quota"):
        change_settings(boxes.services.store.projects, boxes.project, {"strategy": name})
        request_run(
            boxes.services.store, boxes.project, kind="rank", reason=f"Now by {name}.", now=boxes.services.clock()
        )
        run = boxes.settle()
        assert (run.state, run.error) == ("done", ""), run
        ranking = store.rankings.active(boxes.project)
        assert ranking is not None
        assert (ranking.strategy, ranking.provenance.own["looked_at"]) == (
            name,
            len(store.rankings.entries(ranking.id)),
        )
    for name, why in (("entropy", "whole images by their class"), ("mask_disagreement", "has only boxes")):
        with pytest.raises(BadRequest, match=why):
            change_settings(boxes.services.store.projects, boxes.project, {"strategy": name})


def test_a_small_window_is_looked_at_and_the_rest_follows(boxes: ObjectLoop) -> None:
    change_settings(boxes.services.store.projects, boxes.project, {"strategy": "auto", "window": 3})
    request_run(boxes.services.store, boxes.project, kind="rank", reason="A small window.", now=boxes.services.clock())
    assert boxes.settle().state == "done"
    ranking = boxes.store.rankings.active(boxes.project)
    assert ranking is not None
    entries = boxes.store.rankings.entries(ranking.id)
    open_tasks = [t for t in boxes.fake.state.tasks_of(boxes.project) if not boxes.fake.state.is_labeled(t)]
    assert len(entries) == len(open_tasks)
    assert [entry.score for entry in entries] == sorted(entry.score for entry in entries)
    assert all(0 <= entry.score < 1 for entry in entries)


def test_roll_back_and_pages(boxes: ObjectLoop) -> None:
    first = next(run for run in reversed(boxes.store.runs.latest(boxes.project)) if run.decision == "promoted")
    rollback(boxes.services.store, boxes.services.files, boxes.project, first.id, now=boxes.services.clock())
    assert boxes.settle().state == "done"
    assert boxes.store.projects.one(boxes.project).active_run_id == first.id
    assert boxes.store.detections.runs(boxes.project) == [first.id]
    page = project_page(boxes.services, boxes.project)
    assert "AP50" in page.curve
    assert "box_entropy" in [info["name"] for info in page.strategies]


def test_a_detector_that_is_lost_counts_as_absent(boxes: ObjectLoop) -> None:
    services, store = boxes.services, boxes.store
    active = store.projects.one(boxes.project).active_run_id
    assert active is not None
    run = request_run(services.store, boxes.project, kind="train", reason="Test.", now=services.clock())
    prepared = prepare(services, run).request
    assert prepared is not None
    assert prepared.own["init"]
    shutil.copytree(services.files.run_dir(active), services.files.run_dir(run.id), dirs_exist_ok=True)
    store.runs.update(run.id, request=store.runs.one(active).request)
    weights = services.files.run_dir(active) / "checkpoint" / "weights.safetensors"
    sound = weights.read_bytes()
    for damaged in (sound[: len(sound) // 2], b""):
        weights.write_bytes(damaged)
        judged = judge(services, store.runs.one(run.id))
        assert judged.decision == "promoted"
        assert f"the model of run {active} can no longer be read and counts as absent" in (judged.decision_reason or "")
        again = prepare(services, run).request
        assert again is not None
        assert not again.own["init"]
    weights.write_bytes(sound)
    judged = judge(services, store.runs.one(run.id))
    assert judged.decision == "kept"
    assert judged.metrics is not None
    curve = judged.metrics.judgement["curve"]
    assert {str(active), str(run.id)} <= set(curve["scores"])
    assert curve["scores"][str(active)] == curve["scores"][str(run.id)]
    assert curve["items"] == judged.metrics.judgement["images"]
    store.runs.update(run.id, state="failed")


def test_when_the_config_asks_for_classes_the_detector_is_not_asked(boxes: ObjectLoop) -> None:
    config = BOXES.replace("RectangleLabels", "Choices").replace("<Label ", "<Choice ")
    boxes.store.projects.upsert(boxes.project, "Blobs", config, boxes.services.clock())
    boxes.fake.state.projects[boxes.project]["label_config"] = config
    run = request_run(
        boxes.services.store, boxes.project, kind="train", reason="The config changed.", now=boxes.services.clock()
    )
    ended = boxes.settle()
    assert (ended.id, ended.state, ended.decision) == (run.id, "done", "kept"), ended
    assert "Nothing to train on" in ended.decision_reason
    assert boxes.store.projects.one(boxes.project).active_run_id is None
