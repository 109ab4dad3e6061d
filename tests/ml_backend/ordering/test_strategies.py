"""Every strategy orders a live project: chosen, published, explained."""

from __future__ import annotations

import pytest

from ml_backend.errors import BadRequest
from ml_backend.ordering.competence import competence_over
from ml_backend.ordering.strategy_choice import change_settings, usable
from ml_backend.reports.overview import overview
from ml_backend.runs import request_run
from tests.ml_backend.loop.classes import Loop

PARAMETERS = {"similar": "like", "exclude": "unlike"}


@pytest.fixture
def trained(loop: Loop) -> Loop:
    loop.label(25)
    assert loop.settle().decision == "promoted"
    return loop


def test_each_strategy_renews_the_order(trained: Loop) -> None:
    store = trained.store
    some = [item.id for item in store.items.all(trained.project)][:3]
    for name in usable():
        parameters = {PARAMETERS[name]: some} if name in PARAMETERS else {}
        change_settings(
            trained.services.store.projects, trained.project, {"strategy": name, "strategy_params": parameters}
        )
        request_run(
            trained.services.store, trained.project, kind="rank", reason=f"Now by {name}.", now=trained.services.clock()
        )
        run = trained.settle()
        assert (run.state, run.error) == ("done", ""), name
        ranking = store.rankings.active(trained.project)
        assert ranking is not None
        note = ranking.provenance.note
        assert ranking.strategy == name or note.startswith(f"No label looks wrong, so {ranking.strategy} orders"), note
        assert ranking.provenance.seed == run.seed + run.id
        entries = store.rankings.entries(ranking.id)
        assert entries[0].why, name
        assert [entry.position for entry in entries] == list(range(len(entries)))
        assert len({entry.item_id for entry in entries}) == len(entries)


def test_a_strategy_for_detectors_is_refused_in_words(loop: Loop) -> None:
    with pytest.raises(BadRequest, match="objects that a detector found"):
        change_settings(loop.services.store.projects, loop.project, {"strategy": "box_entropy"})
    assert loop.store.projects.settings(loop.project).strategy == "auto"


@pytest.mark.parametrize(("goal", "why"), [("similar", "No example is chosen"), ("exclude", "Nothing is excluded")])
def test_a_goal_without_examples_is_named_by_what_orders_in_its_place(loop: Loop, goal: str, why: str) -> None:
    change_settings(loop.services.store.projects, loop.project, {"strategy": goal})
    request_run(loop.services.store, loop.project, kind="rank", reason="Test.", now=loop.services.clock())
    run = loop.settle()
    ranking = loop.store.rankings.active(loop.project)
    assert ranking is not None
    assert (ranking.strategy, ranking.provenance.strategy, ranking.provenance.asked) == ("auto", "auto", goal)
    assert run.metrics.publish["strategy"] == "auto"
    view = overview(loop.services.store, loop.project, now=loop.services.clock())
    assert view.strategy == "auto"
    assert view.strategy_note.startswith(f"{why}, so auto orders the pool. No model yet")


def test_the_competence_of_a_model_counts_the_classes_that_are_left() -> None:
    recalls = {"a": (0.9, 20), "b": (0.3, 10), "c": (None, 0)}
    by_class = {name: {"recall": recall, "support": support} for name, (recall, support) in recalls.items()}
    judged = {"items": 30, "candidate": {"balanced_accuracy": 0.6, "per_class": by_class}}
    assert competence_over(judged, ["c", "b", "a", "new"]) is judged
    fewer = competence_over(judged, ["b", "c"])
    assert (fewer["items"], fewer["candidate"]["balanced_accuracy"]) == (10, 0.3)
    none = competence_over(judged, ["x", "y"])
    assert (none["items"], none["candidate"]["balanced_accuracy"]) == (0, None)
    objects = {"a": {"AP50": 0.8, "objects": 9}, "b": {"AP50": 0.2, "objects": 3}}
    found = competence_over({"objects": 12, "candidate": {"AP50": 0.5, "per_class": objects}}, ["b"])
    assert (found["objects"], found["candidate"]["AP50"]) == (3, 0.2)
    assert competence_over({}, ["a"]) == {}
