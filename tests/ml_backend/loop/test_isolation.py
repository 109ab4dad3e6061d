"""One bad event, project or number stops nothing else, and shows."""

from __future__ import annotations

import json
from typing import Any

import pytest
from sqlalchemy import text

from ml_backend.effort import record
from ml_backend.errors import Unavailable
from ml_backend.loop import event_queue, events
from ml_backend.loop.event_queue import LONGEST_WAIT, MOST_TRIES, apply_again, discard
from ml_backend.loop.pulse import Care, beat
from ml_backend.reports.overview import overview
from ml_backend.state.records import AnnotationRow
from tests.ml_backend.loop.classes import Loop

HUGE = 2**70
STAMP = "2026-11-21T09:31:37.197599Z"


def saved(loop: Loop, number: Any, task: Any, **more: Any) -> dict[str, Any]:
    region = {"from_name": "class", "to_name": "image", "type": "choices", "value": {"choices": [loop.truth[task]]}}
    annotation = {"id": number, "task": task, "result": [region], "updated_at": STAMP, **more}
    return {"action": "ANNOTATION_CREATED", "annotation": annotation, "project": {"id": loop.project}}


def arrive(loop: Loop, body: dict[str, Any], project: int | None = None) -> int:
    return loop.store.events.add(project or loop.project, body["action"], body, loop.services.clock())


def spoil_settings(loop: Loop, project: int) -> None:
    """A project whose stored settings no version takes."""
    loop.store.projects.upsert(project, "Spoilt", "<View/>", 1.0)
    with loop.store.database.write() as connection:
        values = {"values": json.dumps({"retrain_labels": HUGE}), "id": project}
        connection.execute(text("UPDATE projects SET settings = :values WHERE id = :id"), values)


def test_numbers_out_of_range_stop_nobody(loop: Loop) -> None:
    tasks = sorted(loop.truth)
    broken = saved(loop, HUGE, tasks[0])
    odd = {"lead_time": float(HUGE), "parent_prediction": HUGE, "completed_by": {"id": HUGE}}
    first = arrive(loop, broken)
    arrive(loop, saved(loop, 5, tasks[1], **odd))
    arrive(loop, {"action": "TASKS_DELETED", "tasks": [{"id": HUGE}, {"id": tasks[2]}]})
    arrive(
        loop, {"action": "TASKS_CREATED", "tasks": [{"id": HUGE, "data": {}}, {"id": 10**6, "data": {"image": "x"}}]}
    )
    arrive(loop, {"action": "ANNOTATIONS_DELETED", "annotations": [{"id": HUGE}]})
    beat(loop.services)
    assert loop.store.events.count_open() == 0
    (row,) = loop.store.labels.all(loop.project)
    assert (row.id, row.lead_time, row.parent_prediction, row.completed_by) == (5, None, None, None)
    known = {item.task_id for item in loop.store.items.all(loop.project)}
    assert 10**6 in known
    assert tasks[2] not in known
    (aside,) = loop.store.events.set_aside(loop.project)
    assert aside.id == first
    assert str(HUGE) in aside.error
    assert overview(loop.services.store, loop.project, now=loop.services.clock()).set_aside_events == 1


def test_an_event_that_fails_while_others_succeed_is_set_aside(loop: Loop, monkeypatch: pytest.MonkeyPatch) -> None:
    tasks, clock = sorted(loop.truth), loop.services.clock
    poison = arrive(loop, saved(loop, 1, tasks[0]))
    real = event_queue.apply_event

    def fails(services: Any, event: Any) -> None:
        if event.id == poison:
            raise Unavailable("The database failed.")
        real(services, event)

    monkeypatch.setattr(event_queue, "apply_event", fails)
    queue: Any = loop.services.queue
    for number in range(MOST_TRIES):
        queue.jobs.clear()
        arrive(loop, saved(loop, 10 + number, tasks[1 + number]))
        beat(loop.services)
        assert len(loop.store.labels.all(loop.project)) == 1 + number, "those behind it go on at once"
        assert loop.store.events.one(poison).tries == 1 + number
        clock.now += LONGEST_WAIT
    assert [event.id for event in loop.store.events.set_aside()] == [poison]
    assert ("reconcile_job", (loop.project,)) in loop.jobs, "a poll looks for what it said"
    loop.store.events.purge(clock() + 1e9)
    with pytest.raises(Unavailable):
        apply_again(loop.services, poison)
    monkeypatch.undo()
    assert not apply_again(loop.services, poison).set_aside
    assert len(loop.store.labels.all(loop.project)) == 1 + MOST_TRIES


def test_a_database_that_takes_no_note_is_nobodys_fault(loop: Loop, monkeypatch: pytest.MonkeyPatch) -> None:
    arrive(loop, saved(loop, 1, min(loop.truth)))
    with monkeypatch.context() as patch:
        patch.setattr(loop.store.labels, "upsert", _away)
        patch.setattr(loop.store.events, "update", _away)
        for _ in range(2 * MOST_TRIES):
            beat(loop.services)
    beat(loop.services)
    assert len(loop.store.labels.all(loop.project)) == 1
    assert loop.store.events.set_aside() == []


def _away(*_: object, **__: object) -> None:
    raise Unavailable("The database does not answer.")


def test_an_older_label_config_does_not_come_back(loop: Loop) -> None:
    config = loop.store.projects.one(loop.project).label_config
    newer = config.replace("</Choices>", '<Choice value="New"/></Choices>')
    late = arrive(loop, {"action": "PROJECT_UPDATED", "project": {"id": loop.project, "label_config": config}})
    loop.store.events.close(late, 1.0, "It failed.", set_aside=True)
    arrive(loop, {"action": "PROJECT_UPDATED", "project": {"id": loop.project, "label_config": newer}})
    beat(loop.services)
    apply_again(loop.services, late)
    assert loop.store.projects.one(loop.project).label_config == newer


def test_what_is_discarded_is_no_longer_counted(loop: Loop) -> None:
    event = arrive(loop, saved(loop, HUGE, min(loop.truth)))
    beat(loop.services)
    assert discard(loop.services, event).error
    assert loop.store.events.set_aside() == []
    assert loop.store.events.purge(loop.services.clock() + 1.0) == 1


def test_a_project_whose_settings_are_spoilt_holds_up_no_other(loop: Loop, caplog: pytest.LogCaptureFixture) -> None:
    spoil_settings(loop, loop.project - 1)
    loop.store.labels.upsert(loop.project - 1, [AnnotationRow(900, 1, result=[1], updated_at=STAMP)], 1.0)
    loop.label(20)
    loop.deliver()
    care = Care()
    for _ in range(3):
        beat(loop.services, care)
    assert [run.project_id for run in loop.store.runs.all_open()] == [loop.project]
    assert ("reconcile_job", (loop.project,)) in loop.jobs
    said = [line for line in caplog.messages if f"Opening a run of project {loop.project - 1} failed" in line]
    assert len(said) == 1, "a trouble is told when it begins, not at every beat"
    assert "retrain_labels" in said[0]


def test_one_odd_annotation_keeps_no_other_from_being_looked_at(loop: Loop, monkeypatch: pytest.MonkeyPatch) -> None:
    tasks = sorted(loop.truth)
    for number in (1, 2):
        arrive(loop, saved(loop, number, tasks[number], lead_time=2.0))
    real = record.marks_of

    def odd(result: Any, job: Any) -> Any:
        if result[0]["value"]["choices"] == ["odd"]:
            raise ZeroDivisionError
        return real(result, job)

    monkeypatch.setattr(record, "marks_of", odd)
    body = saved(loop, 3, tasks[3])
    body["annotation"]["result"][0]["value"]["choices"] = ["odd"]
    arrive(loop, body)
    beat(loop.services)
    assert [row.annotation_id for row in loop.store.effort.all(loop.project)] == [1, 2, 3]
    assert loop.store.effort.missing(loop.project) == []


def test_an_annotation_row_is_kept_whatever_its_details_are() -> None:
    for seconds in (True, "x", -1, float("nan"), float("inf"), [], HUGE):
        assert events.annotation_row(1, {"id": 1, "task": 2, "lead_time": seconds}).lead_time is None
    assert events.annotation_row(1, {"id": 1, "task": 2, "lead_time": 3}).lead_time == 3.0


def test_labels_of_a_batch_keep_their_tasks_where_one_task_is_odd(loop: Loop) -> None:
    tasks = loop.fake.state.tasks_of(loop.project)[:2]
    results = [
        {"id": 70 + number, "result": [], "was_cancelled": True, "updated_at": "2026-11-21T09:31:37.197599Z"}
        for number in range(3)
    ]
    body = {
        "action": "ANNOTATIONS_CREATED",
        "annotation": results,
        "task": [{"id": "x"}, *({"id": task["id"], "data": task["data"]} for task in tasks)],
    }
    loop.store.events.add(loop.project, body["action"], body, loop.services.clock())
    beat(loop.services)
    assert {row.id: row.task_id for row in loop.store.labels.all(loop.project)} == {
        71: tasks[0]["id"],
        72: tasks[1]["id"],
    }
