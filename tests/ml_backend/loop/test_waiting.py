"""Waiting uses up nothing, a failed run keeps no label from the next, damage ends a run at once, clocks jump."""

from __future__ import annotations

from typing import Any

import pytest

from ml_backend.errors import QueueUnavailable, Unavailable
from ml_backend.loop.cycle import execute
from ml_backend.loop.pulse import beat
from ml_backend.reports.overview import overview
from ml_backend.runs import FIRST_PAUSE, fail
from tests.fakes.kills import killed
from tests.ml_backend.loop.classes import Loop

WEEK = 7 * 86400.0


def clock_of(loop: Loop) -> Any:
    return loop.services.clock


def taken(loop: Loop) -> list[tuple[str, tuple[Any, ...]]]:
    """What was queued since the last look."""
    queue: Any = loop.services.queue
    jobs, queue.jobs = queue.jobs, []
    return list(jobs)


@pytest.mark.parametrize("step", ["prepare", "publish"])
def test_an_outage_of_twenty_minutes_fails_no_run(step: str, scene: Loop, monkeypatch: pytest.MonkeyPatch) -> None:
    clock, run_id = clock_of(scene), scene.store.runs.all_open()[0].id
    if step == "publish":
        with killed(scene.services.label_studio, "import_predictions"):
            execute(scene.services, run_id)
    before = scene.store.runs.one(run_id)
    scene.fake.down = step == "publish"
    if step == "prepare":
        monkeypatch.setattr("ml_backend.loop.cycle.STEPS", {"prepare": _busy_database})
    back, tries = clock.now + 1200, 0
    while clock.now < back:
        beat(scene.services)
        if ("run_job", (run_id,)) in taken(scene):
            execute(scene.services, run_id)
            tries += 1
            waiting = scene.store.runs.one(run_id)
            assert waiting.next_try_at - clock.now <= scene.services.settings.retry_cap
            assert "Waiting" in waiting.message
        clock.now += 1
    assert 20 <= tries <= 40, "the waits grow and are capped"
    waiting = scene.store.runs.one(run_id)
    assert (waiting.state, waiting.attempts) == (before.state, before.attempts)
    scene.fake.down = False
    monkeypatch.undo()
    clock.now += scene.services.settings.retry_cap
    done = scene.settle()
    assert (done.id, done.state, done.waits) == (run_id, "done", 0)
    assert len(scene.versions()) == 1


def _busy_database(*_: object) -> Any:
    raise Unavailable("The database stayed locked.")


def test_a_step_whose_process_ends_again_and_again_fails(scene: Loop) -> None:
    run_id = scene.store.runs.all_open()[0].id
    for _ in range(scene.services.settings.retry_attempts):
        with killed(scene.store.runs, "advance"):
            execute(scene.services, run_id)
    run = execute(scene.services, run_id)
    assert run.state == "failed"
    assert "died in all 8 attempts" in run.error


def test_a_failed_run_is_shown_and_its_labels_still_count(scene: Loop) -> None:
    clock, failed = clock_of(scene), scene.store.runs.all_open()[0].id
    scene.store.runs.update(failed, change=scene.store.labels.last_change(scene.project))
    fail(scene.services.store.runs, failed, "A test ends it.", now=scene.services.clock())
    beat(scene.services)
    assert scene.store.runs.all_open() == [], "no hot loop of runs that fail"
    view = overview(scene.services.store, scene.project, now=scene.services.clock())
    assert view.changed == 30
    assert f"Run {failed} failed; its labels count as new. The next automatic run starts in 5 minutes" in view.waits_for
    clock.now += FIRST_PAUSE
    beat(scene.services)
    again = scene.store.runs.all_open()[0]
    assert "30 new or changed labels" in again.reason
    fail(scene.services.store.runs, again.id, "A test ends it again.", now=scene.services.clock())
    clock.now += FIRST_PAUSE
    beat(scene.services)
    assert scene.store.runs.all_open() == [], "the pause grows"
    clock.now += FIRST_PAUSE
    assert scene.settle().state == "done"
    assert overview(scene.services.store, scene.project, now=scene.services.clock()).changed == 0


def test_a_damaged_file_ends_the_run_with_its_own_sentence(scene: Loop) -> None:
    run_id = scene.store.runs.all_open()[0].id
    folder = next(scene.services.files.root.glob("vectors/*"))
    (folder / "rows.json").write_text("{")
    run = execute(scene.services, run_id)
    assert run.state == "failed"
    assert "rows.json cannot be read" in run.error
    assert "attempts" not in run.error


def test_somebody_elses_lock_is_no_failure(scene: Loop) -> None:
    from ml_backend.state.files import project_lock

    run_id = scene.store.runs.all_open()[0].id
    with scene.services.files.lock(project_lock(scene.project)):
        for _ in range(20):
            assert execute(scene.services, run_id).state == "prepare"
    assert scene.store.runs.one(run_id).attempts == 0


def test_a_clock_that_jumps_back_a_week_holds_nothing_up(scene: Loop) -> None:
    clock, run_id = clock_of(scene), scene.store.runs.all_open()[0].id
    scene.store.runs.update(run_id, next_try_at=clock.now + 30)
    scene.store.projects.update(scene.project, reconciled_at=clock.now)
    beat(scene.services)
    assert taken(scene) == []
    clock.now -= WEEK
    beat(scene.services)
    assert set(taken(scene)) == {("run_job", (run_id,)), ("reconcile_job", (scene.project,))}
    fail(scene.services.store.runs, run_id, "A test ends it.", now=scene.services.clock())
    clock.now -= WEEK
    beat(scene.services)
    assert [run.kind for run in scene.store.runs.all_open()] == ["train"], (
        "neither labels nor a pause lie in the future"
    )


def test_a_queue_that_is_away_costs_one_time_out_a_beat(scene: Loop, monkeypatch: pytest.MonkeyPatch) -> None:
    scene.store.projects.upsert(scene.project + 1, "Other", "<View/>", 1.0)
    scene.store.projects.update(scene.project, reconciled_at=0.0)
    asked: list[str] = []

    def away(job: str, *_arguments: Any, **_options: str) -> bool:
        asked.append(job)
        raise QueueUnavailable("Redis does not answer.")

    monkeypatch.setattr(scene.services.queue, "put", away)
    beat(scene.services)
    assert asked == ["run_job", "reconcile_job"]
