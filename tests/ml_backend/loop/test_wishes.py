"""What is asked for while a run is open is kept, whatever happens to that run, and honoured when it has ended."""

from __future__ import annotations

from typing import Any

import pytest

from ml_backend.loop.cycle import execute
from ml_backend.loop.pulse import beat
from ml_backend.loop.reconcile import reconcile
from ml_backend.runs import fail, request_run, rollback
from ml_backend.state.records import RunRow
from tests.fakes.kills import killed
from tests.ml_backend.loop.classes import Loop


def begun(loop: Loop) -> RunRow:
    """The open run, its preparation under way, so that it cannot take in what is asked for now."""
    run = loop.store.runs.open_of(loop.project)
    assert run is not None
    loop.store.runs.update(run.id, attempts=1)
    return loop.store.runs.one(run.id)


def renamed(loop: Loop) -> None:
    """The classes change in Label Studio, under the eyes of nobody."""
    config = loop.fake.state.projects[loop.project]["label_config"]
    loop.fake.drop_webhooks = True
    loop.services.label_studio.update_project(
        loop.project, label_config=config.replace("</Choices>", '<Choice value="New"/></Choices>')
    )
    loop.fake.drop_webhooks = False


def test_a_run_that_nobody_has_begun_takes_in_what_is_asked_for(scene: Loop) -> None:
    run = scene.store.runs.open_of(scene.project)
    assert run is not None
    assert (
        request_run(scene.services.store, scene.project, kind="train", reason="Again.", now=scene.services.clock()).id
        == run.id
    )
    assert (
        request_run(scene.services.store, scene.project, kind="rank", reason="Order.", now=scene.services.clock()).id
        == run.id
    )
    assert scene.store.runs.wish(scene.project) is None


@pytest.mark.parametrize("end", ["done", "failed", "rolled back"])
def test_training_follows_however_the_open_run_ends(end: str, scene: Loop) -> None:
    open_run = begun(scene)
    request_run(scene.services.store, scene.project, kind="rank", reason="An order.", now=scene.services.clock())
    request_run(
        scene.services.store, scene.project, kind="train", reason="Now with everything.", now=scene.services.clock()
    )
    request_run(scene.services.store, scene.project, kind="rank", reason="An order again.", now=scene.services.clock())
    wished = scene.store.runs.wish(scene.project)
    assert wished is not None
    assert (wished.kind, wished.reason) == ("train", "Now with everything.")
    if end == "failed":
        fail(scene.services.store.runs, open_run.id, "A test ends it.", now=scene.services.clock())
    elif end == "rolled back":
        # A promoted run to go back to; its model is not asked for, since training follows at once.
        past = scene.store.runs.latest(scene.project)[-1]
        scene.store.runs.update(past.id, decision="promoted")
        model = scene.services.files.run_dir(past.id) / "checkpoint" / "model.json"
        model.parent.mkdir(parents=True)
        model.write_text("{}")
        scene.store.runs.end(
            rollback(scene.services.store, scene.services.files, scene.project, past.id, now=scene.services.clock()).id,
            "A test ends it.",
            1.0,
        )
    newest = scene.settle()
    assert (newest.kind, newest.reason, newest.state) == ("train", "Now with everything.", "done")
    assert newest.id > open_run.id
    assert scene.store.runs.wish(scene.project) is None


@pytest.mark.parametrize("after", [False, True])
def test_a_kill_while_the_wish_is_honoured(after: bool, scene: Loop) -> None:
    open_run = begun(scene)
    request_run(scene.services.store, scene.project, kind="train", reason="Once more.", now=scene.services.clock())
    fail(scene.services.store.runs, open_run.id, "A test ends it.", now=scene.services.clock())
    with killed(scene.store.runs, "open_wished", after=after):
        beat(scene.services)
    beat(scene.services)
    opened = [run for run in scene.store.runs.latest(scene.project) if run.reason == "Once more."]
    assert [run.state for run in opened] == ["prepare"]


def test_a_change_of_classes_that_no_webhook_told_is_found_by_a_poll(scene: Loop) -> None:
    open_run = begun(scene)
    renamed(scene)
    reconcile(scene.services, scene.project)
    newest = scene.settle()
    assert newest.id > open_run.id
    assert newest.reason == "The classes of the label config changed."
    assert "New" in newest.request.classes
    assert reconcile(scene.services, scene.project).annotations_changed == 0
    assert scene.settle().id == newest.id


@pytest.mark.parametrize("after", [False, True])
def test_a_kill_at_a_change_of_classes(after: bool, scene: Loop) -> None:
    """The new label config and the wish to train with it are one transaction."""
    open_run = begun(scene)
    renamed(scene)
    with killed(scene.store.projects, "upsert", after=after):
        reconcile(scene.services, scene.project)
    reconcile(scene.services, scene.project)
    fail(scene.services.store.runs, open_run.id, "A test ends it.", now=scene.services.clock())
    beat(scene.services)
    opened = scene.store.runs.open_of(scene.project)
    assert opened is not None
    assert opened.reason == "The classes of the label config changed."


def test_a_roll_back_opens_its_run_with_the_model_it_names(scene: Loop, monkeypatch: pytest.MonkeyPatch) -> None:
    """A worker that looks between any two steps of a roll-back finds the old run or the whole new one."""
    first = scene.settle()
    assert first.decision == "promoted"
    scene.label(20)
    scene.deliver()
    beat(scene.services)
    ended = begun(scene)
    seen: list[tuple[str, Any]] = []
    real = type(scene.store.database).write

    def watched(database: Any) -> Any:
        present = scene.store.runs.open_of(scene.project)
        seen.append(("nothing", None) if present is None else (present.kind, present.request.model_run))
        return real(database)

    with monkeypatch.context() as patch:
        patch.setattr(type(scene.store.database), "write", watched)
        run = rollback(scene.services.store, scene.services.files, scene.project, first.id, now=scene.services.clock())
    assert seen == [("train", None)], "one transaction"
    assert run.request.model_run == first.id
    assert scene.store.runs.one(ended.id).error == f"Ended by a roll-back to run {first.id}."
    assert execute(scene.services, run.id).state == "done"
    assert scene.store.projects.one(scene.project).active_run_id == first.id


def test_a_run_that_is_ended_at_the_very_switch_makes_no_model_the_active_one(scene: Loop) -> None:
    before = scene.store.projects.one(scene.project)
    run = scene.store.runs.open_of(scene.project)
    assert run is not None

    def end(method: str, path: str) -> None:
        if method == "PATCH" and path.endswith(f"/projects/{scene.project}/"):
            fail(scene.services.store.runs, run.id, "A roll-back ended it.", now=scene.services.clock())

    scene.fake.faults.on_call = end
    execute(scene.services, run.id)
    scene.fake.faults.on_call = None
    ended, after = scene.store.runs.one(run.id), scene.store.projects.one(scene.project)
    assert (ended.state, ended.error) == ("failed", "A roll-back ended it.")
    assert (after.active_run_id, after.active_version) == (before.active_run_id, before.active_version)
