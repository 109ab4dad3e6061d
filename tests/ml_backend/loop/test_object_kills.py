"""Design property 5 where objects are outlined: a kill at any point and a restart give the same end as no kill."""

from __future__ import annotations

from collections.abc import Iterator
from operator import attrgetter
from typing import Any

import pytest

import training.jobs.objects
from ml_backend.runs import request_run
from tests.fakes.kills import end_state, killed
from tests.fakes.world import Studio
from tests.ml_backend.loop.objects import OUTLINES, ObjectLoop, make_object_loop
from tests.ml_backend.loop.objects import small_objects as small_objects


@pytest.fixture(scope="module")
def labelled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ObjectLoop]:
    """A project with outlines on seven of ten images and a run that nobody has begun."""
    root = tmp_path_factory.mktemp("outlines")
    loop = make_object_loop(root / "state", root / "images", OUTLINES, count=10)
    store = loop.store
    # Two steps teach nothing; whatever is found is shown, so that there is something to compare.
    everything = {"shown_from": 0.05, "choose_shown_from": False, "hold_back": False}
    store.projects.save_settings(
        loop.project, store.projects.settings(loop.project).changed(train_steps=2, **everything)
    )
    request_run(loop.services.store, loop.project, kind="rank", reason="First order.", now=loop.services.clock())
    loop.settle()
    loop.draw(7)
    loop.apply()
    request_run(loop.services.store, loop.project, kind="train", reason="By hand.", now=loop.services.clock())
    yield loop
    loop.store.close()


def test_without_a_kill_there_are_outlines_to_compare(undisturbed: Studio) -> None:
    run = undisturbed.store.runs.latest(undisturbed.project)[0]
    assert (run.state, run.decision) == ("done", "promoted"), run
    assert run.metrics.training["masks"]
    assert any(result for shown in end_state(undisturbed)["shown"].values() for result in shown)


# What is done in the same way for every kind of project is killed in test_kills.
POINTS = [
    ("training", "write_json_atomic", False),
    ("store.runs", "advance", True),
    ("store.detections", "save", True),
    ("label_studio", "import_predictions", True),
]


@pytest.mark.parametrize("point", POINTS, ids=str)
def test_a_kill_changes_nothing(point: tuple[str, str, bool], scene: Studio, undisturbed: Studio) -> None:
    owner, method, after = point
    place: Any = training.jobs.objects if owner == "training" else attrgetter(owner)(scene.services)
    # The third step forward is that out of judging: everything before it has happened once.
    with killed(place, method, after=after, nth=3 if method == "advance" else 1):
        scene.settle()
    run = scene.settle()
    assert run.state == "done", run
    assert end_state(scene) == end_state(undisturbed)
