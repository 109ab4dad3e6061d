import numpy as np
import pytest

from ml_backend.errors import BadRequest, Conflict, NotFound
from ml_backend.state import database
from ml_backend.state.records import NewItem
from ml_backend.state.store import Store


def test_adding_twice_changes_nothing(store: Store) -> None:
    new = [NewItem(f"{i}.png", content_hash=f"h{i % 3}", data={"image": i}, meta={"n": np.int64(i)}) for i in range(7)]
    ids = store.items.add(1, new, 2.0)
    store.items.update([{"id": ids[0], "state": "ready"}])
    assert store.items.add(1, list(reversed(new)), 3.0) == ids[::-1]
    rows = store.items.all(1)
    assert [row.id for row in rows] == ids
    assert rows[0].state == "ready"
    assert rows[3].data == {"image": 3}
    assert rows[3].meta == {"n": 3}
    assert rows[3].created_at == 2.0
    assert store.items.count(1) == {"ready": 1, "new": 6}
    assert [row.id for row in store.items.all(1, {"ready"})] == ids[:1]


def test_the_same_source_twice_in_one_call_is_one_item(store: Store) -> None:
    first, second, third = store.items.add(1, [NewItem("a"), NewItem("b"), NewItem("a")], 1.0)
    assert first == third != second


def test_projects_do_not_share_items(store: Store) -> None:
    store.projects.upsert(2, "Two", "", 1.0)
    assert store.items.add(1, [NewItem("a", task_id=1)], 1.0) != store.items.add(2, [NewItem("a", task_id=1)], 1.0)
    assert list(store.items.by_task(2, [1, 2])) == [1]


def test_lookups(store: Store) -> None:
    a, b, c = store.items.add(1, [NewItem("a", content_hash="x"), NewItem("b", content_hash="x"), NewItem("c")], 1.0)
    store.items.set_tasks(1, {np.int64(a): np.int64(11), b: 12})
    assert {task: row.id for task, row in store.items.by_task(1, [11, 12, 13]).items()} == {11: a, 12: b}
    assert set(store.items.by_id(1, [a, c, 10**6])) == {a, c}
    assert store.items.one(b).source == "b"
    with pytest.raises(NotFound, match="no item 1000000"):
        store.items.one(10**6)


def test_a_task_belongs_to_one_item(store: Store) -> None:
    a, b = store.items.add(1, [NewItem("a", task_id=5), NewItem("b")], 1.0)
    with pytest.raises(Conflict):
        store.items.set_tasks(1, {b: 5})
    with pytest.raises(Conflict, match="Task 5 already has an item"):
        store.items.add(1, [NewItem("c", task_id=5)], 1.0)
    store.items.set_tasks(1, {a: 5})


def test_update_items_takes_different_columns_and_numpy_values(store: Store) -> None:
    a, b, c = store.items.add(1, [NewItem("a"), NewItem("b"), NewItem("c")], 1.0)
    store.items.update(
        [
            {"id": np.int64(a), "vector_row": np.int64(4), "encoder": "e"},
            {"id": b, "state": "unreadable", "reason": "broken"},
            {"id": c},
        ]
    )
    rows = store.items.all(1)
    assert rows[0].vector_row == 4
    assert rows[1].reason == "broken"
    with pytest.raises(TypeError, match="id2"):
        store.items.update([{"id": a, "id2": 1}])


def test_deleted_tasks(store: Store) -> None:
    store.items.add(1, [NewItem("a", task_id=1), NewItem("b", task_id=2), NewItem("c")], 1.0)
    assert store.items.mark_tasks_deleted(1, [1, 2, 3]) == 2
    assert store.items.mark_tasks_deleted(1, [1, 2, 3]) == 0
    assert store.items.count(1) == {"deleted": 2, "new": 1}


def test_bulk_is_committed_in_parts_and_keeps_order(store: Store) -> None:
    count = database.CHUNK * 2 + 17
    ids = store.items.add(1, [NewItem(f"{i}") for i in range(count)], 1.0)
    store.items.update([{"id": item, "width": k} for k, item in enumerate(ids)])
    store.items.set_tasks(1, {item: k for k, item in enumerate(ids)})
    rows = store.items.all(1)
    assert [row.source for row in rows] == [str(i) for i in range(count)]
    assert [row.width for row in rows] == list(range(count)) == [row.task_id for row in rows]
    assert len(store.items.by_task(1, range(count))) == count
    assert store.items.mark_tasks_deleted(1, range(count)) == count


def test_names_that_are_not_unicode_are_refused_in_words(store: Store) -> None:
    with pytest.raises(BadRequest, match="not valid Unicode"):
        store.items.add(1, [NewItem("bad-\udcff.png")], 1.0)
    assert store.items.all(1) == []


def test_a_task_id_that_comes_again_is_another_image(store: Store) -> None:
    old = store.items.add(1, [NewItem("task:1", task_id=1), NewItem("/images/a.png", task_id=2)], 1.0)
    store.items.mark_tasks_deleted(1, [1, 2])
    new = store.items.add(1, [NewItem("task:1", task_id=1)], 2.0)
    assert new[0] not in old
    assert store.items.by_task(1, [1, 2])[1].id == new[0]
    assert store.items.one(old[1]).source == "/images/a.png"
