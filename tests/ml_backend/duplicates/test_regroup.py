from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from ml_backend.duplicates.regroup import groups_of, is_founder, merge_groups, split_group
from ml_backend.duplicates.review import explain_offers, label_conflicts, offers
from ml_backend.errors import BadRequest, NotFound
from ml_backend.state.records import NewItem, RankingEntry
from ml_backend.state.store import Store


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    """Project 1 with items in the groups a b | c d e | f, and one item without a group; f is held for validation."""
    opened = Store.open(f"sqlite:///{tmp_path}/state.db")
    opened.projects.upsert(1, "cells", "<View/>", 0.0)
    ids = opened.items.add(1, [NewItem(source=f"{name}.png") for name in "abcdefg"], 0.0)
    groups = [ids[0], ids[0], ids[2], ids[2], ids[2], ids[5]]
    sides = ["train"] * 5 + ["validation"]
    opened.items.update(
        [
            {"id": i, "group_id": g, "state": "ready", "split": side}
            for i, g, side in zip(ids[:6], groups, sides, strict=True)
        ]
    )
    yield opened
    opened.close()


def named(store: Store) -> dict[str, int]:
    return {item.source[0]: item.id for item in store.items.all(1)}


def shape(store: Store) -> list[str]:
    return sorted("".join(item.source[0] for item in members) for members in groups_of(store.items.all(1)).values())


def sides(store: Store) -> dict[str, str]:
    return {item.source[0]: item.split for item in store.items.all(1)}


def founders(store: Store) -> str:
    return "".join(sorted(item.source[0] for item in store.items.all(1) if is_founder(item)))


def test_merged_groups_stay_merged_and_their_founders_go_on_attracting(store: Store) -> None:
    names = named(store)
    assert merge_groups(store, 1, [names["d"], names["f"], names["b"]]) == names["a"]
    assert shape(store) == ["abcdef"]
    assert founders(store) == "acf"
    with pytest.raises(BadRequest, match="already in one group"):
        merge_groups(store, 1, [names["a"], names["f"]])


def test_a_merge_puts_no_group_on_both_sides_and_leaves_validation_as_it_is(store: Store) -> None:
    names = named(store)
    merge_groups(store, 1, [names["c"], names["f"]])
    assert sides(store) == dict(zip("abcdefg", ["train"] * 2 + ["quarantine"] * 3 + ["validation", ""], strict=True))
    merge_groups(store, 1, [names["a"], names["d"]])
    assert {sides(store)[name] for name in "abcde"} == {"quarantine"}


def test_undoing_a_merge_gives_the_side_back(store: Store) -> None:
    names, before = named(store), sides(store)
    merge_groups(store, 1, [names["c"], names["f"]])
    assert split_group(store, 1, [names["f"]]) == names["f"]
    assert (shape(store), sides(store), founders(store)) == (["ab", "cde", "f"], before, "acf")
    merge_groups(store, 1, [names["c"], names["f"]])
    split_group(store, 1, [names["d"]])
    assert [sides(store)[name] for name in "cde"] == ["quarantine", "train", "quarantine"]


def test_splitting_a_merged_group_as_it_was_gives_the_old_groups(store: Store) -> None:
    names = named(store)
    merge_groups(store, 1, [names["a"], names["c"]])
    assert split_group(store, 1, [names["c"], names["d"], names["e"]]) == names["c"]
    assert (shape(store), founders(store)) == (["ab", "cde", "f"], "acf")


def test_a_member_leaves(store: Store) -> None:
    names = named(store)
    assert split_group(store, 1, [names["d"]]) == names["d"]
    assert shape(store) == ["ab", "ce", "d", "f"]
    assert founders(store) == "acdf"


def test_the_representative_leaves_and_the_oldest_of_the_rest_follows(store: Store) -> None:
    names = named(store)
    split_group(store, 1, [names["c"]])
    assert shape(store) == ["ab", "c", "de", "f"]
    assert names["d"] in groups_of(store.items.all(1))


def test_two_leave_together(store: Store) -> None:
    names = named(store)
    assert split_group(store, 1, [names["d"], names["e"]]) == names["d"]
    assert shape(store) == ["ab", "c", "de", "f"]


def test_what_makes_no_sense_is_refused_and_changes_nothing(store: Store) -> None:
    names, before = named(store), store.items.all(1)
    with pytest.raises(NotFound, match="no item 999"):
        merge_groups(store, 1, [999, names["a"]])
    with pytest.raises(BadRequest, match="several groups"):
        split_group(store, 1, [names["a"], names["c"]])
    with pytest.raises(BadRequest, match="whole group"):
        split_group(store, 1, [names["a"], names["b"]])
    with pytest.raises(BadRequest, match="no group yet"):
        split_group(store, 1, [names["g"]])
    assert store.items.all(1) == before


def test_conflicts_and_offers(store: Store) -> None:
    tasks = {"a": 101, "c": 103, "d": 104, "e": 105}
    items = [replace(item, task_id=tasks.get(item.source[0])) for item in store.items.all(1)]
    names = named(store)
    labels = {101: "normal", 103: "normal", 104: "abnormal"}
    conflicts = label_conflicts(items, labels)
    assert [(c.group, dict(c.labels)) for c in conflicts] == [(names["c"], {103: "normal", 104: "abnormal"})]
    assert {item: offer.label for item, offer in offers(items, labels).items()} == {names["b"]: "normal"}
    found = offers(items, {104: "abnormal"})
    assert {item: offer.label for item, offer in found.items()} == {names["c"]: "abnormal", names["e"]: "abnormal"}
    entries = [RankingEntry(names["e"], 0, 0.0, 1.0, "uncertain"), RankingEntry(names["a"], 1, 0.5, 1.0, "far")]
    assert [entry.why for entry in explain_offers(entries, found)] == [
        "shows the same as d.png, which is labeled abnormal: that label is proposed",
        "far",
    ]
