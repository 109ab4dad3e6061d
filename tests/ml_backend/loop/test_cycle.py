"""From a folder to a model that is promoted, over the fake Label Studio."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ml_backend.intake.ingest import ingest
from ml_backend.runs import request_run, rollback
from ml_backend.web.redaction import redact
from tests.fakes.progress import quiet
from tests.ml_backend.loop.classes import Loop


def test_an_order_without_a_model_comes_first(loop: Loop) -> None:
    request_run(loop.services.store, loop.project, kind="rank", reason="First order.", now=loop.services.clock())
    run = loop.settle()
    assert (run.state, run.error) == ("done", "")
    ranking = loop.store.rankings.active(loop.project)
    assert ranking is not None
    entries = loop.store.rankings.entries(ranking.id)
    items = {item.id: item for item in loop.store.items.all(loop.project)}
    wanted = [items[entry.item_id].task_id for entry in entries]
    assert loop.label(20) == wanted[:20]
    assert set(loop.prediction_counts().values()) == {1}
    assert all(not p["result"] for p in loop.fake.state.predictions_of(wanted[0]))


def test_labels_give_a_model_and_a_new_order(loop: Loop) -> None:
    request_run(loop.services.store, loop.project, kind="rank", reason="First order.", now=loop.services.clock())
    loop.settle()
    loop.label(20)
    run = loop.settle()
    assert (run.state, run.kind, run.decision) == ("done", "train", "promoted"), run
    assert "20 new or changed labels" in run.reason
    assert loop.store.projects.one(loop.project).active_run_id == run.id
    assert len(loop.versions()) == 1
    open_tasks = [t for t in loop.fake.state.tasks_of(loop.project) if not loop.fake.state.is_labeled(t)]
    shown = [loop.fake.state.predictions_of(task["id"]) for task in open_tasks]
    assert all(len(predictions) == 1 for predictions in shown)
    right = sum(
        p[0]["result"][0]["value"]["choices"][0] == loop.truth[t["id"]] for t, p in zip(open_tasks, shown, strict=True)
    )
    assert right / len(open_tasks) > 0.35


def test_one_class_is_no_error(loop: Loop) -> None:
    name = next(iter(loop.truth.values()))
    for task_id in [task for task, truth in loop.truth.items() if truth == name][:12]:
        loop.fake.annotate(task_id, None)
    run = request_run(loop.services.store, loop.project, kind="train", reason="By hand.", now=loop.services.clock())
    ended = loop.settle()
    assert ended.id == run.id
    assert (ended.state, ended.decision) == ("done", "kept")
    assert "Nothing to train on" in ended.decision_reason
    assert loop.store.projects.one(loop.project).active_version


def test_ingest_twice_adds_nothing(loop: Loop, cells: Path) -> None:
    tasks = len(loop.fake.state.tasks_of(loop.project))
    report = ingest(loop.services, loop.project, cells, stage=quiet)
    assert (report.new, report.tasks) == (0, 0)
    assert len(loop.fake.state.tasks_of(loop.project)) == tasks


def test_roll_back_brings_the_old_model_and_its_predictions(loop: Loop) -> None:
    loop.label(20)
    first = loop.settle()
    loop.label(20)
    second = loop.settle()
    assert second.id != first.id
    loop.store.projects.update(loop.project, active_run_id=second.id)
    rollback(loop.services.store, loop.services.files, loop.project, first.id, now=loop.services.clock())
    loop.settle()
    assert loop.store.projects.one(loop.project).active_run_id == first.id
    ranking = loop.store.rankings.active(loop.project)
    assert ranking is not None
    assert ranking.run_id == first.id
    assert set(loop.versions()) == {ranking.version}


def test_deleted_tasks_and_lost_webhooks_are_found(loop: Loop) -> None:
    from ml_backend.loop.reconcile import reconcile

    loop.label(6)
    loop.deliver()
    loop.apply()
    loop.fake.drop_webhooks = True
    loop.label(7)
    gone = loop.label(1)
    loop.services.label_studio.delete_tasks(loop.project, gone)
    report = reconcile(loop.services, loop.project)
    assert (report.annotations_changed, report.tasks_deleted) == (7, 1)
    assert len(loop.store.labels.all(loop.project)) == 13
    again = reconcile(loop.services, loop.project)
    assert (again.annotations_changed, again.annotations_deleted, again.tasks_new, again.tasks_deleted) == (0, 0, 0, 0)


def test_an_event_that_cannot_be_applied_holds_up_nothing(loop: Loop) -> None:
    broken = {
        "action": "ANNOTATION_CREATED",
        "annotation": {"id": 1, "task": {"id": []}},
        "project": {"id": loop.project},
    }
    loop.store.events.add(loop.project, "ANNOTATION_CREATED", broken, loop.services.clock())
    loop.store.events.add(loop.project + 1, "TASKS_DELETED", {"tasks": [{"id": 1}]}, loop.services.clock())
    loop.label(1)
    loop.apply()
    assert len(loop.store.labels.all(loop.project)) == 1
    assert loop.store.events.count_open() == 0


def test_an_import_whose_answer_was_lost_is_not_done_twice(loop: Loop, cells: Path, tmp_path: Path) -> None:
    import shutil

    import pytest

    from ml_backend.errors import LabelStudioUnavailable

    more = tmp_path / "more"
    source = next(path for path in sorted(cells.rglob("*.png")))
    with_class = more / source.parent.name
    with_class.mkdir(parents=True)
    from PIL import Image

    Image.open(source).rotate(90).crop((20, 20, 110, 100)).save(with_class / "other.png")
    shutil.copy(source, with_class / "copy.png")
    before = len(loop.fake.state.tasks_of(loop.project))
    loop.fake.lose_answer(1, match="import")
    with pytest.raises(LabelStudioUnavailable):
        ingest(loop.services, loop.project, more, stage=quiet)
    made = len(loop.fake.state.tasks_of(loop.project)) - before
    assert made >= 1
    report = ingest(loop.services, loop.project, more, stage=quiet)
    assert len(loop.fake.state.tasks_of(loop.project)) == before + made
    assert report.tasks == 0


def test_an_import_that_may_still_be_under_way_is_waited_for(loop: Loop, tmp_path: Path) -> None:
    from PIL import Image

    from ml_backend.errors import LabelStudioUnavailable
    from ml_backend.intake.task_import import STILL_AT_WORK

    (tmp_path / "more").mkdir()
    for seed in range(2):
        pixels = np.random.default_rng(seed).integers(0, 255, (80, 90, 3), np.uint8)
        Image.fromarray(pixels).save(tmp_path / "more" / f"new{seed}.png")
    before = len(loop.fake.state.tasks_of(loop.project))
    loop.fake.faults.time_out(1, match="import")
    for sentence in ("did not respond", "may still be processing", "may still be processing"):
        with pytest.raises(LabelStudioUnavailable, match=sentence):
            ingest(loop.services, loop.project, tmp_path / "more", stage=quiet)
    assert len(loop.fake.state.tasks_of(loop.project)) == before, "nothing is sent while the first may still come"
    clock: Any = loop.services.clock
    clock.now += STILL_AT_WORK
    assert ingest(loop.services, loop.project, tmp_path / "more", stage=quiet).tasks == 2
    assert len(loop.fake.state.tasks_of(loop.project)) == before + 2


def test_webhooks_that_come_twice_change_nothing(loop: Loop) -> None:
    loop.label(5)
    gone = loop.label(1)
    loop.services.label_studio.delete_tasks(loop.project, gone)
    bodies = [redact(sent["body"]) for sent in loop.fake.sent]
    assert {"ANNOTATION_CREATED", "TASKS_DELETED"} <= {body["action"] for body in bodies}
    loop.apply()
    store = loop.store

    def state() -> tuple[object, ...]:
        return store.labels.all(loop.project), store.items.all(loop.project), store.labels.last_change(loop.project)

    before = state()
    for body in [*bodies, *reversed(bodies)]:
        store.events.add(loop.project, body["action"], body, loop.services.clock())
    loop.apply()
    assert state() == before
