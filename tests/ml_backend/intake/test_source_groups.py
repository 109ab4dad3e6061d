import pytest

from ml_backend.errors import BadRequest, Conflict, Unavailable
from ml_backend.intake.source_groups import proposal_for, set_group_pattern
from ml_backend.runs import request_run
from tests.ml_backend.loop.classes import Loop


def sides(loop: Loop) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for item in loop.store.items.all(loop.project):
        found.setdefault(item.data["name"].split("/")[-1].split("_")[0], set()).add(item.split)
    return found


def test_a_proposed_pattern_puts_each_patient_on_one_side(loop: Loop) -> None:
    assert any(len(found) > 1 for found in sides(loop).values())
    proposal = proposal_for(loop.services.store, loop.project, [])
    assert proposal is not None
    assert "patient" in proposal.advice("cells", 1)
    assert set_group_pattern(loop.services.store, loop.services.files, loop.project, "auto") == proposal.pattern
    assert {frozenset(found) for found in sides(loop).values()} == {frozenset({"train"}), frozenset({"validation"})}
    assert proposal_for(loop.services.store, loop.project, []) is None
    assert set_group_pattern(loop.services.store, loop.services.files, loop.project, "auto") == proposal.pattern


def test_a_split_that_was_trained_on_stays(loop: Loop) -> None:
    before = {item.id: item.split for item in loop.store.items.all(loop.project)}
    run = request_run(loop.services.store, loop.project, kind="train", reason="By hand.", now=loop.services.clock())
    with pytest.raises(Conflict, match=f"Run {run.id} was trained on the current split"):
        set_group_pattern(loop.services.store, loop.services.files, loop.project, r"(patient\d+)_")
    loop.store.runs.end(run.id, "Broken off.", loop.services.clock())
    assert {item.id: item.split for item in loop.store.items.all(loop.project)} == before
    with pytest.raises(BadRequest, match="group_pattern"):
        set_group_pattern(loop.services.store, loop.services.files, loop.project, "(")
    assert (
        set_group_pattern(loop.services.store, loop.services.files, loop.project, r"(patient\d+)_") == r"(patient\d+)_"
    )


def test_files_that_came_in_before_are_no_patients_of_two(loop: Loop) -> None:
    loop.store.items.update(
        [
            {"id": item.id, "data": {**item.data, "name": f"{item.id}x_a.png"}}
            for item in loop.store.items.all(loop.project)
        ]
    )
    names = [item.data["name"] for item in loop.store.items.all(loop.project)]
    assert proposal_for(loop.services.store, loop.project, names) is None


def test_a_pattern_that_could_not_be_applied_is_not_set(loop: Loop, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_: object) -> None:
        raise Unavailable("The disk is full.")

    with monkeypatch.context() as patch:
        patch.setattr(loop.services.store.items, "update", fails)
        with pytest.raises(Unavailable):
            set_group_pattern(loop.services.store, loop.services.files, loop.project, "auto")
    assert loop.store.projects.settings(loop.project).group_pattern == ""
    set_group_pattern(loop.services.store, loop.services.files, loop.project, "auto")
    assert {frozenset(found) for found in sides(loop).values()} == {frozenset({"train"}), frozenset({"validation"})}
