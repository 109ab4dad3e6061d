"""Every strategy orders a live project: chosen, published, explained."""

from __future__ import annotations

import pytest

from ml_backend.errors import BadRequest
from ml_backend.runs import request_run
from ml_backend.strategy_choice import change_settings, usable
from tests.loop.conftest import Loop

PARAMETERS = {"similar": "like", "exclude": "unlike"}


@pytest.fixture
def trained(loop: Loop) -> Loop:
    loop.label(25)
    assert loop.settle().decision == "promoted"
    return loop


def test_each_strategy_renews_the_order(trained: Loop) -> None:
    store = trained.store
    some = [item.id for item in store.items(trained.project)][:3]
    for name in usable():
        parameters = {PARAMETERS[name]: some} if name in PARAMETERS else {}
        change_settings(trained.services, trained.project, {"strategy": name, "strategy_params": parameters})
        request_run(trained.services, trained.project, kind="rank", reason=f"Now by {name}.")
        run = trained.settle()
        assert (run.state, run.error) == ("done", ""), name
        ranking = store.active_ranking(trained.project)
        assert ranking is not None
        assert ranking.strategy == name
        assert ranking.provenance["seed"] == run.seed + run.id
        entries = store.ranking_entries(ranking.id)
        assert entries[0].why, name
        assert [entry.position for entry in entries] == list(range(len(entries)))
        assert len({entry.item_id for entry in entries}) == len(entries)


def test_a_strategy_for_detectors_is_refused_in_words(loop: Loop) -> None:
    with pytest.raises(BadRequest, match="what a detector found"):
        change_settings(loop.services, loop.project, {"strategy": "box_entropy"})
    assert loop.store.settings(loop.project).strategy == "auto"
