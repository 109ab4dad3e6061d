"""Design property 5: a kill at any point and a restart give the same end as no kill."""

from __future__ import annotations

from operator import attrgetter

import pytest

from ml_backend.loop.cycle import execute
from tests.fakes.kills import end_state, killed
from tests.fakes.world import Studio
from tests.ml_backend.loop.classes import Loop

POINTS = [
    *[("store.runs", "advance", after, nth) for nth in (1, 2, 3, 4) for after in (False, True)],
    ("label_studio", "import_predictions", False, 1),
    ("label_studio", "import_predictions", True, 1),
    ("label_studio", "set_model_version", False, 1),
    ("label_studio", "set_model_version", True, 1),
    ("store.rankings", "add", True, 1),
    ("store.rankings", "activate", False, 1),
    ("store.rankings", "activate", True, 1),
    ("store.answers", "save", True, 1),
]


@pytest.mark.parametrize("point", POINTS, ids=str)
def test_a_kill_changes_nothing(point: tuple[str, str, bool, int], scene: Studio, undisturbed: Studio) -> None:
    owner, method, after, nth = point
    with killed(attrgetter(owner)(scene.services), method, after=after, nth=nth):
        scene.settle()
    run = scene.settle()
    assert run.state == "done", run
    assert end_state(scene) == end_state(undisturbed)


def test_a_half_pushed_version_is_never_switched_to(scene: Loop) -> None:
    scene.fake.faults.fail_next(1, 500, match="import/predictions")
    scene.deliver()
    run_id = scene.store.runs.all_open()[0].id
    execute(scene.services, run_id)
    run = scene.store.runs.one(run_id)
    assert run.state == "publish"
    assert run.next_try_at > scene.services.clock()
    assert "Waiting" in run.message
    version = scene.fake.state.projects[scene.project]["model_version"]
    assert version == scene.store.projects.one(scene.project).active_version
    half = scene.store.rankings.of_run(run_id)
    assert half is not None
    task = next(iter(scene.truth))
    scene.services.label_studio.import_predictions(
        scene.project, [{"task": task, "score": 0.5, "model_version": half.version, "result": []}]
    )
    scene.clock.now += 3600
    assert scene.settle().state == "done"
    assert set(scene.prediction_counts().values()) <= {0, 1}
    assert len(scene.versions()) == 1


def test_two_processes_on_one_project(scene: Loop) -> None:
    from ml_backend.state.files import project_lock

    run_id = scene.store.runs.all_open()[0].id
    with scene.services.files.lock(project_lock(scene.project)):
        assert execute(scene.services, run_id).state == "prepare"
    assert execute(scene.services, run_id).state == "done"
