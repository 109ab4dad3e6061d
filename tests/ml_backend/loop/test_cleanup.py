"""A cleanup deletes no version that is active, being pushed, or becoming active while it looks."""

from __future__ import annotations

from operator import attrgetter
from typing import Any

import pytest

from ml_backend.errors import Busy
from ml_backend.loop.cycle import execute
from ml_backend.loop.steps.publish import cleanup
from ml_backend.state.files import project_lock
from tests.fakes.kills import killed
from tests.ml_backend.loop.classes import Loop


@pytest.mark.parametrize("look", ["label_studio.model_versions", "store.rankings.all", "store.projects.one"])
def test_a_version_that_becomes_active_meanwhile_stays(look: str, scene: Loop, monkeypatch: pytest.MonkeyPatch) -> None:
    """The run publishes right after any of the three looks of a cleanup."""
    run_id = scene.store.runs.all_open()[0].id
    old = scene.store.projects.one(scene.project).active_version
    with killed(scene.services.label_studio, "set_model_version"):
        execute(scene.services, run_id)
    ranking = scene.store.rankings.of_run(run_id)
    assert ranking is not None
    assert set(scene.versions()) == {old, ranking.version}
    place, name = look.rsplit(".", 1)
    owner: Any = attrgetter(place)(scene.services)
    real = getattr(owner, name)

    def publish_after(*arguments: Any, **named: Any) -> Any:
        answer = real(*arguments, **named)
        scene.services.label_studio.set_model_version(scene.project, ranking.version)
        scene.store.rankings.activate(ranking.id, run_id)
        return answer

    with monkeypatch.context() as patch:
        patch.setattr(owner, name, publish_after)
        cleanup(scene.services, scene.project)
    assert ranking.version in scene.versions()


def test_a_version_that_is_pushed_now_stays(scene: Loop, monkeypatch: pytest.MonkeyPatch) -> None:
    """The cleanup comes while the run pushes, first shut out by its lock and then, if it were not, by its order."""
    run_id, tried = scene.store.runs.all_open()[0].id, []
    real: Any = scene.services.label_studio.import_predictions

    def pushed_and_cleaned(*arguments: Any, **named: Any) -> Any:
        answer = real(*arguments, **named)
        with pytest.raises(Busy):
            cleanup(scene.services, scene.project)
        tried.append(set(scene.versions()))
        return answer

    monkeypatch.setattr(scene.services.label_studio, "import_predictions", pushed_and_cleaned)
    assert execute(scene.services, run_id).state == "done"
    assert [len(versions) for versions in tried] == [2]
    with scene.services.files.lock(project_lock(scene.project)), pytest.raises(Busy):
        cleanup(scene.services, scene.project)
    assert len(cleanup(scene.services, scene.project)) == 1
    assert set(scene.versions()) == {scene.store.projects.one(scene.project).active_version}


def test_the_order_of_a_run_that_failed_is_put_away(scene: Loop) -> None:
    scene.deliver()
    scene.fake.faults.fail_next(1, 400, body='{"detail": "refused"}', match="import/predictions")
    run = scene.settle()
    assert run.state == "failed"
    left = scene.store.rankings.of_run(run.id)
    assert left is not None
    assert left.state == "prepared"
    cleanup(scene.services, scene.project)
    assert scene.store.rankings.entries(left.id) == []
