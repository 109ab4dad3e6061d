"""What an expert did, against annotations that the real editor made of predictions."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ml_backend.effort.compare import Changes, Mark, compare
from ml_backend.effort.marks import marks_of
from ml_backend.label_studio.config import parse_label_config
from ml_backend.label_studio.regions.ids import Proposal, proposal_of, region_id

RECORDED = Path(__file__).parents[2] / "fixtures" / "label_studio" / "annotations_from_predictions.json"
OBJECTS = parse_label_config(
    '<View><Image name="image" value="$image"/>'
    '<RectangleLabels name="box" toName="image"><Label value="Cell"/><Label value="Nucleus"/></RectangleLabels>'
    '<PolygonLabels name="poly" toName="image"><Label value="Cell"/><Label value="Nucleus"/></PolygonLabels></View>'
)
CLASSES = parse_label_config(
    '<View><Image name="image" value="$image"/><Choices name="choice" toName="image">'
    '<Choice value="Cat"/><Choice value="Dog"/></Choices></View>'
)


def recorded(kind: str) -> list[dict[str, Any]]:
    return list(json.loads(RECORDED.read_text())[kind])


def changes(task: dict[str, Any], kind: str) -> Changes:
    job = OBJECTS if kind == "obj" else CLASSES
    shown = marks_of(task["predictions"][0]["result"], job)
    return compare(shown, marks_of(task["annotations"][0]["result"], job))


def test_what_the_editor_keeps_of_a_prediction() -> None:
    # Drawn, dragged, relabeled and removed in a browser on Label Studio 1.23.2.
    corrected, taken_over, emptied = recorded("obj")
    results = corrected["annotations"][0]["result"]
    ours = [(proposal_of(result["id"]), result["origin"], result.get("score")) for result in results]
    assert ours == [
        (Proposal(7, 11, 0), "prediction", 0.8),
        (Proposal(7, 11, 1), "prediction-changed", 0.8),
        (Proposal(7, 11, 2), "prediction-changed", 0.8),
        (None, "manual", None),
    ]
    for task in (corrected, taken_over, emptied):
        assert task["annotations"][0]["parent_prediction"] == task["predictions"][0]["id"]
        assert task["annotations"][0]["lead_time"] > 0


def test_objects_corrected_in_the_editor() -> None:
    corrected, taken_over, emptied = recorded("obj")
    assert changes(corrected, "obj") == Changes(accepted=1, moved=1, relabeled=1, added=1, deleted=1)
    assert changes(taken_over, "obj") == Changes(accepted=4)
    assert changes(emptied, "obj") == Changes(deleted=4)


def test_classes_corrected_in_the_editor() -> None:
    kept, changed, changed_and_back = recorded("cls")
    assert changes(kept, "cls") == Changes(accepted=1)
    assert changes(changed, "cls") == Changes(relabeled=1)
    # The editor says "prediction-changed", but what was shown is what was handed in.
    assert changed_and_back["annotations"][0]["result"][0]["origin"] == "prediction-changed"
    assert changes(changed_and_back, "cls") == Changes(accepted=1)


def test_origins_alone_when_it_is_forgotten_what_was_shown() -> None:
    corrected = recorded("obj")[0]["annotations"][0]["result"]
    assert compare(None, marks_of(corrected, OBJECTS)) == Changes(accepted=1, moved=2, added=1, deleted=None)
    changed = recorded("cls")[1]["annotations"][0]["result"]
    assert compare(None, marks_of(changed, CLASSES)) == Changes(relabeled=1, deleted=None)


def box(name: str, label: str, x: float, origin: str = "") -> Mark:
    return Mark(name, label, (x, 0, x + 10, 10), origin)


def test_scripts_that_keep_no_ids_are_paired_by_place() -> None:
    shown = [box("paploop-1-1-0", "a", 0), box("paploop-1-1-1", "a", 100), box("paploop-1-1-2", "b", 200)]
    final = [box("x", "a", 0.1), box("y", "b", 101), box("z", "b", 203), box("w", "a", 400)]
    assert compare(shown, final) == Changes(accepted=1, moved=1, relabeled=1, added=1, deleted=0)
    assert compare(shown, []) == Changes(deleted=3)
    assert compare([], final) == Changes(added=4)


def test_a_region_drawn_again_is_a_deletion_and_an_addition() -> None:
    assert compare([box("p", "a", 0)], [box("q", "a", 0, "manual")]) == Changes(added=1, deleted=1)


def test_a_class_given_by_a_script() -> None:
    shown = [Mark(region_id(3, 4), "Cat", whole=True)]
    assert compare(shown, [Mark("r1", "Cat", whole=True)]) == Changes(accepted=1)
    assert compare(shown, [Mark("r1", "Dog", whole=True)]) == Changes(relabeled=1)


@pytest.mark.parametrize("name", [None, 7, "", "paploop-1", "paploop-1-2-3-4", "paploop-x-2", "xpaploop-1-2"])
def test_foreign_ids(name: object) -> None:
    assert proposal_of(name) is None


@given(st.integers(0, 10**9), st.integers(0, 10**9), st.none() | st.integers(0, 10**6))
def test_ids_tell_what_they_were_made_of(run: int, item: int, index: int | None) -> None:
    assert proposal_of(region_id(run, item, index)) == Proposal(run, item, index)


marks = st.lists(
    st.builds(
        Mark,
        st.sampled_from("abcdef"),
        st.sampled_from("XY"),
        st.tuples(st.integers(0, 9), st.just(0)).map(lambda p: (p[0] * 4.0, 0.0, p[0] * 4.0 + 10, 10.0)),
        st.sampled_from(["", "manual", "prediction", "prediction-changed"]),
    ),
    max_size=6,
    unique_by=lambda mark: mark.id,
)


@given(marks, marks)
def test_every_region_is_counted_once(shown: list[Mark], final: list[Mark]) -> None:
    done = compare(shown, final)
    assert done.accepted + done.moved + done.relabeled + done.added == len(final)
    assert done.deleted is not None
    from_before = sum(mark.id in {s.id for s in shown} and mark.origin != "manual" for mark in final)
    assert 0 <= done.deleted <= len(shown) - from_before


@pytest.mark.parametrize("result", [{}, {"from_name": "box"}, 7, None, {"from_name": "box", "type": "rectanglelabels"}])
def test_odd_results_are_passed_over(result: object) -> None:
    assert marks_of([result], OBJECTS) == []


def test_a_damaged_shape_has_no_place() -> None:
    result = {"id": "r", "from_name": "box", "type": "rectanglelabels", "value": {"rectanglelabels": ["Cell"]}}
    assert marks_of([result], OBJECTS) == [Mark("r", "Cell")]
