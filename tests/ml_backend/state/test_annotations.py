from dataclasses import replace
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ml_backend.errors import BadRequest
from ml_backend.state.records import AnnotationRow
from ml_backend.state.store import Store

FIRST = AnnotationRow(1, 100, 7, [{"value": {"choices": ["a"]}}], updated_at="2026-11-21T09:00:00.500000Z")


def later(row: AnnotationRow, second: int, **changes: Any) -> AnnotationRow:
    return replace(row, updated_at=f"2026-11-21T09:00:{second:02d}Z", **changes)


def test_only_changes_of_labels_are_numbered(store: Store) -> None:
    assert store.labels.upsert(1, [FIRST], 20.0) == 1
    assert store.labels.upsert(1, [FIRST], 21.0) == 0
    assert store.labels.upsert(1, [later(FIRST, 1, lead_time=9.0)], 22.0) == 0
    assert store.labels.all(1)[0].lead_time == 9.0
    assert store.labels.upsert(1, [later(FIRST, 2, result=[{"value": {"choices": ["b"]}}])], 23.0) == 1
    assert store.labels.upsert(1, [later(FIRST, 3, was_cancelled=True)], 24.0) == 1
    assert store.labels.upsert(1, [later(FIRST, 4, was_cancelled=True, result=[])], 25.0) == 0
    assert store.labels.upsert(1, [later(FIRST, 5, ground_truth=True)], 26.0) == 1
    row = store.labels.all(1)[0]
    assert (row.change, row.changed_at, row.project_id) == (4, 26.0, 1)
    assert store.labels.last_change(1) == 4


def test_skips_and_empty_ones_are_kept_but_do_not_count(store: Store) -> None:
    skipped = replace(FIRST, id=2, was_cancelled=True, result=[])
    empty = replace(FIRST, id=3, result=[])
    assert store.labels.upsert(1, [skipped, empty], 5.0) == 0
    assert store.labels.changes_since(1, 0) == 0
    assert store.labels.first_change_after(1, 0) is None
    assert [row.id for row in store.labels.all(1)] == [2, 3]
    assert store.labels.delete(1, [2, 3], 6.0) == 0


@pytest.mark.parametrize(
    ("older", "newer"),
    [
        ("2026-11-21T09:00:00Z", "2026-11-21T09:00:00.000001Z"),
        ("2026-11-21T09:00:00.999999Z", "2026-11-21T10:00:01+01:00"),
        ("", "2026-11-21T09:00:00Z"),
        ("nonsense", "2026-11-21T09:00:00"),
    ],
)
def test_times_are_compared_as_times(store: Store, older: str, newer: str) -> None:
    first, second = replace(FIRST, updated_at=older), replace(FIRST, updated_at=newer, result=[2])
    assert store.labels.upsert(1, [second, first], 1.0) == 1
    assert store.labels.all(1)[0].result == [2]
    assert store.labels.upsert(1, [first], 1.0) == 0
    store.projects.delete(1)
    store.projects.upsert(1, "", "", 1.0)
    assert store.labels.upsert(1, [first], 1.0) == 1
    assert store.labels.upsert(1, [second], 1.0) == 1


def test_deletion_counts_once_and_survives_a_late_webhook(store: Store) -> None:
    store.labels.upsert(1, [FIRST], 1.0)
    assert store.labels.delete(1, [1, 99], 2.0) == 1
    assert store.labels.delete(1, [1], 3.0) == 0
    assert store.labels.all(1) == []
    assert store.labels.upsert(1, [FIRST], 4.0, revive=False) == 0
    assert store.labels.all(1) == []
    assert store.labels.upsert(1, [FIRST], 5.0) == 1
    assert store.labels.last_change(1) == 3
    assert store.labels.delete_of_tasks(1, [100], 6.0) == 1
    assert store.labels.upsert(1, [later(FIRST, 9)], 7.0, revive=False) == 1


def test_counting_by_task_and_time(store: Store) -> None:
    rows = [replace(FIRST, id=i, task_id=100 + i // 2) for i in range(6)]
    assert store.labels.upsert(1, rows[:4], 10.0) == 4
    assert store.labels.upsert(1, rows[4:], 20.0) == 2
    assert store.labels.changes_since(1, 0) == 3
    assert store.labels.changes_since(1, 4) == 1
    assert store.labels.first_change_after(1, 0) == 10.0
    assert store.labels.first_change_after(1, 4) == 20.0
    assert store.labels.first_change_after(1, 6) is None
    assert store.labels.ids(1, [100, 102, 500]) == {100: {0, 1}, 102: {4, 5}}
    assert set(store.labels.ids(1)) == {100, 101, 102}
    store.labels.delete(1, [0], 30.0)
    assert store.labels.ids(1)[100] == {1}
    assert store.labels.changes_since(1, 6) == 1


def test_projects_count_for_themselves(store: Store) -> None:
    store.projects.upsert(2, "Two", "", 1.0)
    store.labels.upsert(1, [FIRST, replace(FIRST, id=2)], 1.0)
    assert store.labels.upsert(2, [replace(FIRST, id=3)], 1.0) == 1
    assert (store.labels.last_change(1), store.labels.last_change(2)) == (2, 1)


def test_the_clock_is_used_only_when_no_time_is_given(tmp_path: object) -> None:
    store = Store.open(f"sqlite:///{tmp_path}/c.db", clock=lambda: 777.0)
    store.projects.upsert(1, "", "", 1.0)
    store.labels.upsert(1, [FIRST])
    assert store.labels.first_change_after(1, 0) == 777.0
    store.close()


def test_values_of_the_wrong_kind_are_the_senders_fault(store: Store) -> None:
    for changes in ({"lead_time": [1]}, {"completed_by": {"id": 1}}, {"id": 2**70}, {"result": [float("nan")]}):
        with pytest.raises(BadRequest):
            store.labels.upsert(1, [replace(FIRST, **changes)], 1.0)
    with pytest.raises(BadRequest, match=r"too large|cannot be stored"):
        store.events.add(2**70, "X", {}, 1.0)
    assert store.labels.all(1) == []


moves = st.lists(
    st.one_of(
        st.tuples(st.just("put"), st.integers(1, 3), st.integers(0, 4), st.integers(0, 2), st.booleans()),
        st.tuples(st.just("delete"), st.integers(1, 3)),
    ),
    max_size=12,
)


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(moves)
def test_replaying_any_history_changes_nothing(store: Store, history: list[tuple[Any, ...]]) -> None:
    store.projects.delete(1)
    store.projects.upsert(1, "", "", 1.0)
    gone: set[int] = set()
    real = []
    for move in history:  # Label Studio never changes what it has deleted
        if move[1] not in gone:
            real.append(move)
        if move[0] == "delete":
            gone.add(move[1])
    for move in real:
        play(store, move)
    before = store.labels.all(1), store.labels.last_change(1)
    for move in [*real, *reversed(real)]:
        play(store, move)
    assert (store.labels.all(1), store.labels.last_change(1)) == before
    assert not gone & {row.id for row in store.labels.all(1)}
    changes = [row.change for row in store.labels.all(1) if row.change]
    assert len(set(changes)) == len(changes)


def play(store: Store, move: tuple[Any, ...]) -> None:
    if move[0] == "put":
        _, key, second, label, skip = move
        row = AnnotationRow(key, key, result=[label], was_cancelled=skip)
        store.labels.upsert(1, [later(row, second)], 1.0, revive=False)
    else:
        store.labels.delete(1, [move[1]], 1.0)


def test_an_empty_one_counts_where_objects_are_drawn(store: Store) -> None:
    empty = replace(FIRST, id=3, result=[])
    assert store.labels.upsert(1, [empty], 5.0, empty_counts=True) == 1
    assert store.labels.upsert(1, [empty], 6.0, empty_counts=True) == 0
    skipped = replace(FIRST, id=4, result=[], was_cancelled=True)
    assert store.labels.upsert(1, [skipped], 6.0, empty_counts=True) == 0
    assert store.labels.delete(1, [3, 4], 7.0, empty_counts=True) == 1
