import numpy as np
import pytest

from ml_backend.errors import BadRequest, Conflict, NotFound
from ml_backend.state import database
from ml_backend.state.records import NewItem, RankingEntry
from ml_backend.state.store import Store


@pytest.fixture
def ids(store: Store) -> list[int]:
    ids = store.add_items(1, [NewItem(f"{i}") for i in range(6)], 1.0)
    store.set_tasks(1, {item: 100 + k for k, item in enumerate(ids)})
    return ids


def entries(ids: list[int]) -> list[RankingEntry]:
    return [
        RankingEntry(item, place, place / len(ids), -float(place), f"why {place}") for place, item in enumerate(ids)
    ]


def run_of(store: Store) -> int:
    run = store.open_run(1, kind="train", reason="", seed=0, change=0, now=1.0)
    assert run is not None
    store.advance_run(run.id, "prepare", "done")
    return run.id


def test_predictions_come_back_as_saved(store: Store, ids: list[int]) -> None:
    run = run_of(store)
    probs = np.random.default_rng(0).random((6, 3), dtype=np.float32)
    store.save_predictions(run, np.array(ids[::-1]), probs)
    found, values = store.predictions(run)
    assert found.tolist() == ids
    np.testing.assert_array_equal(values, probs[::-1])
    store.save_predictions(run, ids[:2], probs[:2])
    assert store.predictions(run)[1].shape == (2, 3)
    store.delete_predictions(run)
    assert store.predictions(run)[1].shape == (0, 0)


@pytest.mark.parametrize(
    ("which", "probs", "message"),
    [
        ([1, 2], np.ones((1, 3)), "one row per distinct item"),
        ([1, 1], np.ones((2, 3)), "one row per distinct item"),
        ([1], np.ones(3), "one row per distinct item"),
        ([1, 2], np.array([[1, 0], [np.nan, 1]]), "item 2 are not finite"),
    ],
)
def test_bad_predictions_are_refused_whole(store: Store, which: list[int], probs: np.ndarray, message: str) -> None:
    run = run_of(store)
    store.save_predictions(run, [7], np.ones((1, 3), np.float32))
    with pytest.raises(BadRequest, match=message):
        store.save_predictions(run, which, probs)
    assert store.predictions(run)[0].tolist() == [7]


def test_a_ranking_from_prepared_to_retired(store: Store, ids: list[int]) -> None:
    run = run_of(store)
    first = store.add_ranking(1, None, run, "v1", "core_set", {"n": np.float32(0.5)}, entries(ids[::-1]), 3.0)
    row = store.ranking_of_run(run)
    assert row is not None
    assert (row.id, row.state, row.strategy, row.provenance, row.run_id) == (
        first,
        "prepared",
        "core_set",
        {"n": 0.5},
        None,
    )
    assert [entry.item_id for entry in store.ranking_entries(first)] == ids[::-1]
    assert store.ranking_entries(first, limit=2)[1].why == "why 1"
    assert store.active_ranking(1) is None
    store.activate_ranking(first, None)
    assert store.project(1).active_version == "v1"
    second = store.add_ranking(1, run, run, "v2", "entropy", {}, entries(ids), 4.0)
    store.activate_ranking(second, run)
    store.activate_ranking(second, run)
    active = store.active_ranking(1)
    assert active is not None
    assert active.id == second
    assert (store.project(1).active_version, store.project(1).active_run_id) == ("v2", run)
    assert [row.id for row in store.rankings(1, {"retired"})] == [first]
    store.set_ranking_state(first, "deleted")
    store.rename_ranking(first, "v1b")
    assert [row.version for row in store.rankings(1)] == ["v2", "v1b"]
    with pytest.raises(Conflict):
        store.rename_ranking(first, "v2")
    with pytest.raises(Conflict, match="'v2'"):
        store.add_ranking(1, run, run, "v2", "entropy", {}, [], 5.0)
    store.delete_ranking(first)
    assert store.ranking_entries(first) == []
    with pytest.raises(NotFound):
        store.ranking(first)
    with pytest.raises(NotFound):
        store.activate_ranking(first, None)


def test_a_half_built_ranking_is_invisible_and_makes_room(store: Store, ids: list[int]) -> None:
    run = run_of(store)
    broken = [*entries(ids), RankingEntry(ids[0], 9, 1.0, 0.0)]
    with pytest.raises(Conflict):
        store.add_ranking(1, None, run, "v1", "uniform", {}, broken, 1.0)
    assert store.ranking_of_run(run) is None
    assert store.rankings(1) == []
    ranking = store.add_ranking(1, None, run, "v1", "uniform", {}, entries(ids), 1.0)
    assert len(store.ranking_entries(ranking)) == 6


def test_served(store: Store, ids: list[int]) -> None:
    run, newer = run_of(store), run_of(store)
    probs = np.random.default_rng(0).random((5, 3), dtype=np.float32)
    store.save_predictions(run, ids[:5], probs)
    store.save_predictions(newer, ids, np.zeros((6, 3), np.float32))
    assert store.served(1, [100])[100].score == 1.0
    assert store.served(1, [100])[100].run_id is None
    store.update_project(1, active_run_id=run)
    assert store.served(1, [100])[100].run_id == run
    ranking = store.add_ranking(1, run, run, "v1", "entropy", {}, entries(ids[:4]), 1.0)
    store.add_ranking(1, newer, newer, "v2", "entropy", {}, entries(ids), 1.0)
    store.activate_ranking(ranking, run)
    store.update_project(1, active_run_id=newer)  # roll-back or promotion whose ranking is not out yet
    served = store.served(1, [100, 103, 104, 105, 999])
    assert set(served) == {100, 103, 104, 105}
    assert {row.run_id for row in served.values()} == {run}
    assert {row.version for row in served.values()} == {"v1"}
    assert (served[103].score, served[103].position, served[103].item_id) == (0.75, 3, ids[3])
    assert (served[104].score, served[104].position) == (1.0, None)
    np.testing.assert_array_equal(served[104].probs, probs[4])
    assert served[105].probs is None
    assert store.served(1, []) == {}


def test_cold_start_ranking_serves_no_probabilities(store: Store, ids: list[int]) -> None:
    run = run_of(store)
    store.activate_ranking(store.add_ranking(1, None, run, "v1", "core_set", {}, entries(ids), 1.0), None)
    served = store.served(1, [101])[101]
    assert (served.probs, served.run_id, served.position) == (None, None, 1)


def test_large_rankings_and_predictions_are_deleted_in_parts(store: Store) -> None:
    run = run_of(store)
    count = database.CHUNK * 2
    many = list(range(1, count + 1))
    store.save_predictions(run, many, np.ones((count, 2), np.float32))
    ranking = store.add_ranking(1, run, run, "v1", "uniform", {}, entries(many), 1.0)
    assert len(store.ranking_entries(ranking)) == count
    store.delete_ranking(ranking)
    store.delete_predictions(run)
    assert store.ranking_entries(ranking) == []
    assert len(store.predictions(run)[0]) == 0
