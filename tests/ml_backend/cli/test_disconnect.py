"""`paploop disconnect`: nothing of PapLoop is left in Label Studio, and nothing is lost here."""

from __future__ import annotations

import pytest

from tests.fakes.label_studio import FakeLabelStudio
from tests.fakes.runs import open_run
from tests.ml_backend.cli.conftest import CLASSES, NOW, Shell


def test_a_project_is_let_go_of_and_taken_up_again(shell: Shell, project: int, fake: FakeLabelStudio) -> None:
    there = fake.add_project(shell.store().projects.one(project).label_config)
    while there < project:
        there = fake.add_project(shell.store().projects.one(project).label_config)
    assert there == project
    shell("connect", str(project))
    store = shell.store()
    run = open_run(store, project, reason="Test.", now=NOW)
    before = store.labels.all(project)

    said = shell.json("disconnect", str(project))
    assert [sentence.split(" http")[0] for sentence in said["done"]] == [
        "removed the webhook",
        "removed the ML backend",
        "polls and runs have ended",
        f"ended run {run.id}",
    ]
    assert not fake.state.backends
    assert not fake.state.webhooks
    assert store.labels.all(project) == before
    assert store.runs.one(run.id).error == "The project was disconnected."
    assert "`paploop disconnect` disconnected it" in shell.json("status")[0]["problem"]
    assert shell.json("disconnect", str(project))["done"] == []

    shell("connect", str(project))
    status = shell.json("status")[0]
    assert (status["problem"], status["labels"][CLASSES[0]]) == ("", 1)
    store.close()


@pytest.mark.usefixtures("fake")
def test_a_project_that_label_studio_lost_can_be_let_go_of(shell: Shell, project: int) -> None:
    assert shell.json("disconnect", str(project))["done"] == ["polls and runs have ended"]
    message, code = shell.fails("disconnect", "4711")
    assert ("4711" in message, code) == (True, 2)
