"""A detector whose proposals make more work than they spare shows none, until they help."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from ml_backend.ordering.strategy_choice import change_settings
from ml_backend.predictions.thresholds import NOTHING_SHOWN, limits_of, thresholds_of
from ml_backend.runs import request_run
from ml_backend.web.dashboard.page import project_page
from ml_backend.web.serving import serving_of
from tests.ml_backend.loop.objects import BOXES, ObjectLoop, make_object_loop
from tests.ml_backend.loop.objects import small_objects as small_objects

HARMFUL = {"choose_shown_from": False, "shown_from": 0.01, "cost_delete": 1000.0}
"""Nearly everything that the network thinks of is shown, and a deletion is dear: on any processor that does harm."""
HELPFUL = {"cost_delete": 0.001}
"""The same regions spare work as soon as some are right and deletions cost next to nothing."""


@pytest.fixture(scope="module")
def weak(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ObjectLoop]:
    root = tmp_path_factory.mktemp("weak")
    loop = make_object_loop(root / "state", root / "images", BOXES)
    change_settings(loop.services.store.projects, loop.project, {**HARMFUL, "train_steps": 30})
    request_run(loop.services.store, loop.project, kind="rank", reason="First order.", now=loop.services.clock())
    loop.settle()
    loop.draw(12)
    loop.apply()
    request_run(loop.services.store, loop.project, kind="train", reason="By hand.", now=loop.services.clock())
    run = loop.settle()
    assert (run.state, run.decision) == ("done", "promoted"), run
    yield loop
    loop.store.close()


def shown(loop: ObjectLoop) -> list[list[dict[str, Any]]]:
    """What annotators see in each image that waits."""
    version = loop.store.projects.one(loop.project).active_version
    tasks = [task["id"] for task in loop.fake.state.tasks_of(loop.project) if not loop.fake.state.is_labeled(task)]
    found = [[p for p in loop.fake.state.predictions_of(task) if p["model_version"] == version] for task in tasks]
    assert all(len(predictions) == 1 for predictions in found)
    return [predictions[0]["result"] for predictions in found]


def ranked_again(loop: ObjectLoop, changes: dict[str, Any]) -> list[list[dict[str, Any]]]:
    change_settings(loop.services.store.projects, loop.project, changes)
    request_run(
        loop.services.store, loop.project, kind="rank", reason="The settings changed.", now=loop.services.clock()
    )
    assert loop.settle().state == "done"
    return shown(loop)


def test_held_back_and_shown_when_they_help(weak: ObjectLoop) -> None:
    services, store = weak.services, weak.store
    run = store.projects.one(weak.project).active_run_id
    assert run is not None
    told = store.runs.one(run)
    assert f"The objects that run {run} proposes are held back" in told.decision_reason
    assert "90 % interval" in told.decision_reason
    assert told.metrics.publish["shown"] == {"regions": 0, "drawn": {"held back": len(shown(weak))}}

    assert not any(shown(weak))
    ranking = store.rankings.active(weak.project)
    assert ranking is not None
    assert (ranking.run_id, len(store.rankings.entries(ranking.id))) == (run, len(shown(weak)))
    tasks: list[Any] = weak.fake.state.tasks_of(weak.project)
    assert not any(answer["result"] for answer in serving_of(services).predict(weak.project, tasks) if answer)
    assert "held back" in project_page(services, weak.project).effort.why

    assert thresholds_of(services.store, weak.project) == NOTHING_SHOWN

    assert any(ranked_again(weak, HELPFUL))
    assert limits_of(services.store, weak.project).held_back == ""
    assert not any(ranked_again(weak, HARMFUL))
    assert any(ranked_again(weak, {"hold_back": False}))
