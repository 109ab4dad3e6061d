"""Duplicate groups by API and on the page: list, correct, review."""

from typing import Any

import pytest

from ml_backend.duplicates.earlier import CHECKED
from tests.ml_backend.web.conftest import Loop, WebWorld, annotate


@pytest.fixture
def grouped(world: WebWorld, loop: Loop) -> list[int]:
    """The project's items as the groups 1 2 3 | 4 | 5; tasks 1 and 2 have different labels."""
    first, *_, fourth, fifth = items = loop.items
    groups = [first, first, first, fourth, fifth]
    world.store.items.update([{"id": i, "group_id": g} for i, g in zip(items, groups, strict=True)])
    annotate(world, 1, "Cat")
    annotate(world, 2, "Dog")
    return items


def shape(world: WebWorld) -> list[list[int]]:
    groups: list[dict[str, Any]] = world.call("/api/projects/3/groups").json["groups"]
    return [[member["task"] for member in group["members"]] for group in groups]


def test_groups_are_listed_merged_and_split(world: WebWorld, grouped: list[int]) -> None:
    assert shape(world) == [[1, 2, 3]]
    merged = world.call("/api/projects/3/groups/merge", {"items": [grouped[1], grouped[4]]})
    assert (merged.status_code, merged.json) == (200, {"group": grouped[0]})
    assert shape(world) == [[1, 2, 3, 5]]
    split = world.call("/api/projects/3/groups/split", {"items": [grouped[2], grouped[4]]})
    assert split.json == {"group": grouped[4]}
    assert shape(world) == [[1, 2], [3, 5]]


def test_conflicts_are_told_by_the_api_and_on_the_page(world: WebWorld, grouped: list[int]) -> None:
    (conflict,) = world.call("/api/projects/3/groups/conflicts").json["conflicts"]
    assert [(member["task"], member["label"]) for member in conflict["members"]] == [(1, "Cat"), (2, "Dog")]
    page = world.call("/dashboard/3").text
    assert "Conflicting labels" in page
    assert "paploop groups 3 --split ITEM" in page
    world.call("/api/projects/3/groups/split", {"items": [grouped[1]]})
    assert world.call("/api/projects/3/groups/conflicts").json == {"conflicts": []}
    assert "Conflicting labels" not in world.call("/dashboard/3").text


def test_the_page_and_the_api_tell_of_groups_of_an_earlier_check(world: WebWorld, loop: Loop) -> None:
    assert world.call("/api/projects/3").json["groups_note"] == ""
    first, second, third, *_ = loop.items
    joined = [
        {"id": item, "group_id": first, "meta": {CHECKED: 1}, "content_hash": f"{item}"} for item in (second, third)
    ]
    world.store.items.update([{"id": first, "group_id": first}, *joined])
    note = world.call("/api/projects/3").json["groups_note"]
    assert note.startswith("2 images joined")
    assert note in world.call("/dashboard/3").text


def test_a_label_is_offered_where_the_group_agrees(world: WebWorld, grouped: list[int]) -> None:
    world.call("/api/projects/3/groups/split", {"items": [grouped[1]]})
    (group,) = world.call("/api/projects/3/groups").json["groups"]
    assert [(member["label"], member["offered"]) for member in group["members"]] == [("Cat", None), (None, "Cat")]


@pytest.mark.usefixtures("grouped")
@pytest.mark.parametrize("body", [{}, {"items": []}, {"items": 3}, {"items": ["1"]}, {"items": [10**9]}])
def test_what_cannot_be_corrected_is_said(world: WebWorld, body: dict[str, Any]) -> None:
    for verb in ("merge", "split"):
        answer = world.call(f"/api/projects/3/groups/{verb}", body)
        assert answer.status_code in (400, 404)
        assert answer.json["error"].endswith((".", "them."))
    assert shape(world) == [[1, 2, 3]]
