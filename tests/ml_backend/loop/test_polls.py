"""Polls read everything again only where something was lost, take nothing for gone, and end with the project."""

from __future__ import annotations

from typing import Any

import pytest

from ml_backend.errors import NotFound
from ml_backend.intake.projects import attach, detach
from ml_backend.loop.pulse import beat
from ml_backend.loop.reconcile import reconcile
from ml_backend.reports.overview import overview
from ml_backend.state.records import AnnotationRow, NewItem
from tests.fakes.label_studio import choice
from tests.ml_backend.loop.classes import Loop

LONG_AFTER = "2099-01-01T00:00:00.000000Z"
"""A cursor from which nothing is listed."""


@pytest.fixture
def polled(loop: Loop) -> Loop:
    """Ten labels that a poll has seen, so long ago that it does not list them again."""
    loop.label(10)
    loop.apply()
    reconcile(loop.services, loop.project)
    loop.store.projects.update(loop.project, reconciled_until=LONG_AFTER)
    return loop


def test_an_annotation_of_a_task_that_is_gone_asks_for_one_full_poll_at_most(polled: Loop) -> None:
    lost = AnnotationRow(10**6, 10**6, result=[1], updated_at="2026-11-21T09:31:37.197599Z")
    polled.store.labels.upsert(polled.project, [lost], 1.0)
    first = reconcile(polled.services, polled.project)
    assert (first.annotations_deleted, first.full) == (1, False)
    assert not reconcile(polled.services, polled.project).full


def lose_one(loop: Loop) -> None:
    """Label Studio forgets an annotation and leaves its task as it is."""
    del loop.fake.state.annotations[loop.store.labels.all(loop.project)[0].id]


def test_a_deletion_that_no_task_points_to_is_found(polled: Loop) -> None:
    lose_one(polled)
    report = reconcile(polled.services, polled.project)
    assert (report.full, report.annotations_deleted) == (True, 1)
    assert not reconcile(polled.services, polled.project).full


def test_a_difference_that_stays_is_looked_into_once(polled: Loop, monkeypatch: pytest.MonkeyPatch) -> None:
    """Label Studio counts one more than it lists; the next loss is found all the same."""
    real: Any = polled.services.label_studio.project

    def miscounted(project_id: int) -> Any:
        answer = real(project_id)
        return {**answer, "total_annotations_number": answer["total_annotations_number"] + 1}

    monkeypatch.setattr(polled.services.label_studio, "project", miscounted)
    assert [reconcile(polled.services, polled.project).full for _ in range(3)] == [True, False, False]
    polled.store.projects.update(polled.project, reconciled_until=LONG_AFTER)
    lose_one(polled)
    report = reconcile(polled.services, polled.project)
    assert (report.full, report.annotations_deleted) == (True, 1)


def test_people_who_label_during_a_poll_cause_no_full_one(polled: Loop) -> None:
    """A label comes at every call of the poll, its webhook later: counts and rows never agree, yet nothing is lost."""
    fake, tasks = (
        polled.fake,
        iter([task for task in polled.truth if not polled.fake.state.is_labeled(polled.fake.state.tasks[task])]),
    )
    cursor, busy = _a_minute_ago(polled), [False]

    def label(_method: str, _path: str) -> None:
        if busy[0]:
            return
        busy[0] = True
        task = next(tasks)
        polled.services.label_studio.create_annotation(task, choice(polled.truth[task], "class", "image"), 1.0)
        busy[0] = False

    fake.faults.on_call = label
    assert not reconcile(polled.services, polled.project).full
    fake.faults.on_call = None
    polled.store.projects.update(polled.project, reconciled_until=cursor)
    report = reconcile(polled.services, polled.project)
    assert not report.full
    assert len(polled.store.labels.all(polled.project)) == len(polled.fake.state.annotations)


def test_a_task_that_arrives_while_tasks_are_listed_is_not_gone(polled: Loop, monkeypatch: pytest.MonkeyPatch) -> None:
    real: Any = polled.services.label_studio.task_ids

    def listed(project_id: int) -> set[int]:
        there: set[int] = real(project_id)
        polled.store.items.add(project_id, [NewItem("late", task_id=5000)], 1.0)
        row = AnnotationRow(5001, 5000, result=[1], updated_at="2026-11-21T09:31:37.197599Z")
        polled.store.labels.upsert(project_id, [row], 1.0)
        return there

    with monkeypatch.context() as patch:
        patch.setattr(polled.services.label_studio, "task_ids", listed)
        report = reconcile(polled.services, polled.project)
    assert report.tasks_deleted == 0
    assert 5000 in {item.task_id for item in polled.store.items.all(polled.project)}


def test_an_annotation_that_cannot_be_stored_holds_up_no_other(polled: Loop) -> None:
    polled.fake.drop_webhooks = True
    done = polled.label(3)
    _a_minute_ago(polled)
    polled.fake.state.annotations[2**70] = {**_of_task(polled, done[0]), "id": 2**70}
    reports = [reconcile(polled.services, polled.project) for _ in range(3)]
    assert reports[0].annotations_changed == 3
    assert [report.full for report in reports] == [True, False, False]


def _a_minute_ago(loop: Loop) -> str:
    """A cursor from which the labels of a test are listed."""
    cursor = "2000-01-01T00:00:00.000000Z"
    loop.store.projects.update(loop.project, reconciled_until=cursor)
    return cursor


def _of_task(loop: Loop, task: int) -> Any:
    return next(row for row in loop.fake.state.annotations.values() if row["task"] == task)


def test_a_project_that_was_deleted_is_polled_no_more_until_it_is_connected(polled: Loop) -> None:
    state, clock = polled.fake.state, polled.services.clock
    kept = state.projects.pop(polled.project)
    with pytest.raises(NotFound):
        reconcile(polled.services, polled.project)
    clock.now += 86400
    beat(polled.services)
    assert polled.jobs == []
    assert polled.store.runs.all_open() == []
    assert (
        f"`paploop connect {polled.project}` reconnects it"
        in overview(polled.services.store, polled.project, now=polled.services.clock()).problem
    )
    state.projects[polled.project] = kept
    settings = polled.services.settings.model_copy(update={"insecure_no_auth": True})
    attach(polled.store, polled.services.label_studio, settings, polled.project, clock.now)
    assert overview(polled.services.store, polled.project, now=polled.services.clock()).problem == ""
    beat(polled.services)
    assert ("reconcile_job", (polled.project,)) in polled.jobs


def test_a_project_that_speaks_is_there(polled: Loop) -> None:
    polled.store.projects.update(polled.project, gone_at=1.0)
    polled.label(1)
    polled.apply()
    assert polled.store.projects.one(polled.project).gone_at is None


def test_what_it_said_before_it_was_let_go_of_does_not_take_it_up_again(polled: Loop) -> None:
    client, project = polled.services.label_studio, polled.project
    client.update_project(project, title="Another title")
    polled.label(1)
    polled.deliver()
    before = len(polled.store.labels.all(project))
    detach(
        polled.services.store, polled.services.label_studio, polled.services.settings, project, polled.services.clock
    )
    left_at = polled.store.projects.one(project).gone_at
    assert left_at is not None
    beat(polled.services)
    assert len(polled.store.labels.all(project)) == before + 1, "no label is lost"
    assert polled.store.projects.one(project).gone_at == left_at
    assert ("reconcile_job", (project,)) not in polled.jobs
