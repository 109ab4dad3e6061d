import pytest

from ml_backend.errors import Conflict, NotFound
from ml_backend.state.records import RunRow
from ml_backend.state.rows.runs import Asked
from ml_backend.state.store import Store


def start(store: Store, project: int = 1) -> RunRow:
    return store.runs.ask(project, Asked("train", "20 new labels", 3, 8), 4.0)[0]


def test_one_open_run_per_project(store: Store) -> None:
    store.projects.upsert(2, "Two", "", 1.0)
    run, other = start(store), start(store, 2)
    assert (run.state, run.reason, run.seed, run.change, run.created_at) == ("prepare", "20 new labels", 3, 8, 4.0)
    assert run.is_open
    assert start(store) == run
    assert store.runs.open_of(1) == run
    assert store.runs.all_open() == [run, other]
    store.runs.advance(run.id, "prepare", "failed", error="why", finished_at=9.0)
    assert store.runs.open_of(1) is None
    again = start(store)
    assert [row.id for row in store.runs.latest(1)] == [again.id, run.id]
    assert len(store.runs.latest(1, limit=1)) == 1


def test_compare_and_set(store: Store) -> None:
    run = start(store)
    moved = store.runs.advance(run.id, "prepare", "train", request={"classes": ["a"]}, progress=0.5)
    assert (moved.state, moved.request.classes, moved.progress) == ("train", ("a",), 0.5)
    with pytest.raises(Conflict, match="is in 'train', not in 'prepare'"):
        store.runs.advance(run.id, "prepare", "train")
    store.runs.update(run.id, metrics={"macro_f1": 0.5}, attempts=2)
    assert store.runs.one(run.id).metrics.own == {"macro_f1": 0.5}


def test_a_second_open_run_by_update_is_a_conflict(store: Store) -> None:
    first = start(store)
    store.runs.advance(first.id, "prepare", "done")
    assert start(store).id != first.id
    with pytest.raises(Conflict):
        store.runs.update(first.id, state="train")


def test_unknown_runs(store: Store) -> None:
    for call in (
        lambda: store.runs.one(5),
        lambda: store.runs.update(5, state="done"),
        lambda: store.runs.advance(5, "a", "b"),
    ):
        with pytest.raises(NotFound, match="no run 5"):
            call()


def test_events(store: Store) -> None:
    ids = [store.events.add(1, "ANNOTATION_CREATED", {"n": n, "text": "ü\udcff\u0001"}, float(n)) for n in range(5)]
    assert [event.id for event in store.events.all_open()] == ids
    assert store.events.all_open(2)[1].body == {"n": 1, "text": "ü\udcff\u0001"}
    store.events.close(ids[0], 50.0)
    store.events.close(ids[1], 60.0, "task 9 is unknown")
    assert [event.id for event in store.events.all_open()] == ids[2:]
    assert store.events.count_open() == 3
    assert store.events.purge(55.0) == 1
    assert store.events.purge(100.0) == 1
    assert store.events.count_open() == 3


def test_covered_change(store: Store) -> None:
    assert store.runs.covered_change(1) == 0
    run = start(store)
    assert store.runs.covered_change(1) == 8
    store.runs.advance(run.id, "prepare", "failed")
    store.runs.ask(1, Asked("rank", "", 0, 50), 1.0)
    assert store.runs.covered_change(1) == 0, "a run that failed has learned from nothing"
