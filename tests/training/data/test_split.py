from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from training.data.split import assign_split, check_no_leak, place, source_group
from training.types import Sample, TrainingError

arrivals = st.lists(
    st.tuples(st.sampled_from(["", *"abcdefgh"]), st.one_of(st.none(), st.integers(0, 8))), min_size=1, max_size=40
)


def run_in_batches(items: list[tuple[int, str, int | None]], cuts: set[int]) -> dict[int, str]:
    placed: dict[int, str] = {}
    known: list[tuple[int, str | None, int | None, str | None]] = []
    batch: list[tuple[int, str | None, int | None]] = []
    for number, item in enumerate(items):
        batch.append(item)
        if number in cuts or number == len(items) - 1:
            answer = place(batch, known, 0.4, "salt")
            assert set(answer) == {entry[0] for entry in batch}
            placed.update(answer)
            known += [(*entry, answer[entry[0]]) for entry in batch]
            batch = []
    return placed


@settings(max_examples=60, deadline=None)
@given(arrivals, st.sets(st.integers(0, 39)))
def test_no_group_stands_on_both_sides_and_batching_changes_nothing(
    drawn: list[tuple[str, int | None]], cuts: set[int]
) -> None:
    """Design property 3."""
    items = [(number, source, duplicates) for number, (source, duplicates) in enumerate(drawn)]
    placed = run_in_batches(items, cuts)
    for column in (1, 2):
        sides: dict[object, set[str]] = {}
        for item in items:
            if item[column] not in ("", None) and placed[item[0]] != "quarantine":
                sides.setdefault(item[column], set()).add(placed[item[0]])
        assert all(len(found) == 1 for found in sides.values())
    assert placed == run_in_batches(items, set())


@settings(max_examples=60, deadline=None)
@given(arrivals, arrivals)
def test_adding_items_never_moves_an_old_one(
    first: list[tuple[str, int | None]], more: list[tuple[str, int | None]]
) -> None:
    old = [(number, *entry) for number, entry in enumerate(first)]
    new = [(len(old) + number, *entry) for number, entry in enumerate(more)]
    before = place(old, [], 0.3, "s")
    together = place(old + new, [], 0.3, "s")
    assert {item: together[item] for item in before} == before


def test_an_item_between_the_sides_is_quarantined() -> None:
    known = [(1, "p1", 10, "train"), (2, "p2", 20, "validation")]
    assert place([(3, "p1", 20), (4, "p1", None), (5, "", 20)], known, 0.5, "s") == {
        3: "quarantine",
        4: "train",
        5: "validation",
    }


def test_quarantine_binds_nobody() -> None:
    known = [(3, "p9", 99, "quarantine"), (4, "p8", 7, None)]
    assert place([(5, "p9", None)], known, 0.0, "s") == {5: "train"}
    assert place([(5, "p8", 7)], known, 1.0, "s") == {5: "validation"}


def test_the_share_of_validation_is_about_the_fraction() -> None:
    sides = [assign_split(f"slide {number}", 0.2, "project 1") for number in range(5000)]
    assert abs(sides.count("validation") / 5000 - 0.2) < 0.02
    other = [assign_split(f"slide {number}", 0.2, "project 2") for number in range(5000)]
    assert sides != other
    assert assign_split("x", 0.0, "s") == "train"
    assert assign_split("x", 1.0, "s") == "validation"


@pytest.mark.parametrize(
    ("name", "pattern", "expected"),
    [
        ("153829063-153829073-001.png", r"^(?P<group>\d+)-", "153829063"),
        ("a/HSIL_1__10.jpg", r"([^/]+)__\d+", "HSIL_1"),
        ("sj-05-588-R1_003.jpg", r"^sj-\d+-\d+", "sj-05-588"),
        ("other.png", r"^\d+", "other.png"),
        ("other.png", "", "other.png"),
        ("x.png", r"(?P<group>y)?", "x.png"),
    ],
)
def test_source_group(name: str, pattern: str, expected: str) -> None:
    assert source_group(name, pattern) == expected


def test_a_wrong_pattern_is_named() -> None:
    with pytest.raises(TrainingError, match="regular expression"):
        source_group("a", "(")


def test_a_leak_is_an_error() -> None:
    samples = [Sample(1, Path("a"), "x", "train", "g"), Sample(2, Path("b"), "x", "validation", "g")]
    with pytest.raises(TrainingError, match="'g'"):
        check_no_leak(samples)
    check_no_leak(samples[:1])
