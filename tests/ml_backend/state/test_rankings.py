import numpy as np
import pytest

from ml_backend.errors import BadRequest, Conflict, NotFound
from ml_backend.state import database
from ml_backend.state.class_probs import likeliest, over_classes
from ml_backend.state.records import NewItem, RankingEntry
from ml_backend.state.store import Store
from tests.fakes.runs import open_run

ABC = ("a", "b", "c")


@pytest.fixture
def ids(store: Store) -> list[int]:
    ids = store.items.add(1, [NewItem(f"{i}") for i in range(6)], 1.0)
    store.items.set_tasks(1, {item: 100 + k for k, item in enumerate(ids)})
    return ids


def entries(ids: list[int]) -> list[RankingEntry]:
    return [
        RankingEntry(item, place, place / len(ids), -float(place), f"why {place}") for place, item in enumerate(ids)
    ]


def run_of(store: Store) -> int:
    run = open_run(store, 1)
    store.runs.advance(run.id, "prepare", "done")
    return run.id


def test_predictions_come_back_as_saved(store: Store, ids: list[int]) -> None:
    run = run_of(store)
    probs = np.random.default_rng(0).random((6, 3), dtype=np.float32)
    store.answers.save(run, np.array(ids[::-1]), probs, ABC)
    found = store.answers.of(run)
    assert found.ids.tolist() == ids
    assert found.classes == ABC
    np.testing.assert_array_equal(found.probs, probs[::-1])
    assert store.answers.items(run) == set(ids)
    store.answers.save(run, ids[:2], probs[:2], ABC)
    assert store.answers.of(run).probs.shape == (2, 3)
    store.answers.delete(run)
    assert store.answers.of(run).probs.shape == (0, 0)


def test_predictions_keep_the_names_that_they_were_saved_with(store: Store, ids: list[int]) -> None:
    run, other = run_of(store), run_of(store)
    store.answers.save(run, ids[:1], np.array([[0.7, 0.2, 0.1]], np.float32), ABC)
    store.answers.save(other, ids[:1], np.array([[0.7, 0.3]], np.float32), ["c", "a"])
    assert store.answers.of(run).over(["c", "a", "b"]).tolist() == [pytest.approx([0.1, 0.7, 0.2])]
    assert store.answers.of(other).over(["a", "new", "c"]).tolist() == [pytest.approx([0.3, 0.0, 0.7])]
    store.projects.update(1, active_run_id=other)
    served = store.answers.served(1, [100])[100]
    assert served.probs is not None
    assert dict(zip(served.classes, served.probs.tolist(), strict=True)) == pytest.approx({"c": 0.7, "a": 0.3})


def test_what_a_model_gave_to_a_class_that_is_gone_makes_no_other_class_certain() -> None:
    probs = np.array([[0.98, 0.015, 0.005], [0.0, 0.2, 0.8], [np.nan, 0.5, 0.5]], np.float32)
    moved = over_classes(probs, ABC, ["c", "b"])
    np.testing.assert_allclose(moved[:2], [[0.495, 0.505], [0.8, 0.2]], atol=1e-6)
    assert np.isnan(moved[2]).all()
    assert over_classes(probs[:1], ABC, ["x", "y"]).tolist() == [[0.5, 0.5]]
    assert likeliest(ABC, probs[0], ["b", "c"]) is None
    assert likeliest(ABC, probs[1], ["b", "c"]) == ("c", pytest.approx(0.8))
    assert likeliest(ABC, probs[2], ABC) is None


@pytest.mark.parametrize(
    ("which", "probs", "message"),
    [
        ([1, 2], np.ones((1, 3)), "one row per distinct item"),
        ([1, 1], np.ones((2, 3)), "one row per distinct item"),
        ([1], np.ones(3), "one row per distinct item"),
        ([1, 2], np.array([[1, 0, 0], [np.nan, 1, 0]]), "item 2 are not finite"),
        ([1, 2], np.ones((2, 2)), "Each needs its own name"),
    ],
)
def test_bad_predictions_are_refused_whole(store: Store, which: list[int], probs: np.ndarray, message: str) -> None:
    run = run_of(store)
    store.answers.save(run, [7], np.ones((1, 3), np.float32), ABC)
    with pytest.raises(BadRequest, match=message):
        store.answers.save(run, which, probs, ABC)
    assert store.answers.of(run).ids.tolist() == [7]


def test_a_ranking_from_prepared_to_retired(store: Store, ids: list[int]) -> None:
    run = run_of(store)
    first = store.rankings.add(1, None, run, "v1", "core_set", {"n": np.float32(0.5)}, entries(ids[::-1]), 3.0)
    row = store.rankings.of_run(run)
    assert row is not None
    assert (row.id, row.state, row.strategy, row.provenance.own, row.run_id) == (
        first,
        "prepared",
        "core_set",
        {"n": 0.5},
        None,
    )
    assert [entry.item_id for entry in store.rankings.entries(first)] == ids[::-1]
    assert store.rankings.entries(first, limit=2)[1].why == "why 1"
    assert store.rankings.active(1) is None
    store.rankings.activate(first, None)
    assert store.projects.one(1).active_version == "v1"
    second = store.rankings.add(1, run, run, "v2", "entropy", {}, entries(ids), 4.0)
    store.rankings.activate(second, run)
    store.rankings.activate(second, run)
    active = store.rankings.active(1)
    assert active is not None
    assert active.id == second
    assert (store.projects.one(1).active_version, store.projects.one(1).active_run_id) == ("v2", run)
    assert [row.id for row in store.rankings.all(1, {"retired"})] == [first]
    store.rankings.set_state(first, "deleted")
    store.rankings.rename(first, "v1b")
    assert [row.version for row in store.rankings.all(1)] == ["v2", "v1b"]
    with pytest.raises(Conflict):
        store.rankings.rename(first, "v2")
    with pytest.raises(Conflict, match="'v2'"):
        store.rankings.add(1, run, run, "v2", "entropy", {}, [], 5.0)
    store.rankings.delete(first)
    assert store.rankings.entries(first) == []
    with pytest.raises(NotFound):
        store.rankings.one(first)
    with pytest.raises(NotFound):
        store.rankings.activate(first, None)


def test_a_half_built_ranking_is_invisible_and_makes_room(store: Store, ids: list[int]) -> None:
    run = run_of(store)
    broken = [*entries(ids), RankingEntry(ids[0], 9, 1.0, 0.0)]
    with pytest.raises(Conflict):
        store.rankings.add(1, None, run, "v1", "uniform", {}, broken, 1.0)
    assert store.rankings.of_run(run) is None
    assert store.rankings.all(1) == []
    ranking = store.rankings.add(1, None, run, "v1", "uniform", {}, entries(ids), 1.0)
    assert len(store.rankings.entries(ranking)) == 6


def test_served(store: Store, ids: list[int]) -> None:
    run, newer = run_of(store), run_of(store)
    probs = np.random.default_rng(0).random((5, 3), dtype=np.float32)
    store.answers.save(run, ids[:5], probs, ABC)
    store.answers.save(newer, ids, np.zeros((6, 3), np.float32), ABC)
    assert store.answers.served(1, [100])[100].score == 1.0
    assert store.answers.served(1, [100])[100].run_id is None
    store.projects.update(1, active_run_id=run)
    assert store.answers.served(1, [100])[100].run_id == run
    ranking = store.rankings.add(1, run, run, "v1", "entropy", {}, entries(ids[:4]), 1.0)
    store.rankings.add(1, newer, newer, "v2", "entropy", {}, entries(ids), 1.0)
    store.rankings.activate(ranking, run)
    store.projects.update(1, active_run_id=newer)  # roll-back or promotion whose ranking is not out yet
    served = store.answers.served(1, [100, 103, 104, 105, 999])
    assert set(served) == {100, 103, 104, 105}
    assert {row.run_id for row in served.values()} == {run}
    assert {row.version for row in served.values()} == {"v1"}
    assert (served[103].score, served[103].position, served[103].item_id) == (0.75, 3, ids[3])
    assert (served[104].score, served[104].position) == (1.0, None)
    np.testing.assert_array_equal(served[104].probs, probs[4])
    assert served[105].probs is None
    assert store.answers.served(1, []) == {}


def test_cold_start_ranking_serves_no_probabilities(store: Store, ids: list[int]) -> None:
    run = run_of(store)
    store.rankings.activate(store.rankings.add(1, None, run, "v1", "core_set", {}, entries(ids), 1.0), None)
    served = store.answers.served(1, [101])[101]
    assert (served.probs, served.run_id, served.position) == (None, None, 1)


def test_large_rankings_and_predictions_are_deleted_in_parts(store: Store) -> None:
    run = run_of(store)
    count = database.CHUNK * 2
    many = list(range(1, count + 1))
    store.answers.save(run, many, np.ones((count, 2), np.float32), ABC[:2])
    ranking = store.rankings.add(1, run, run, "v1", "uniform", {}, entries(many), 1.0)
    assert len(store.rankings.entries(ranking)) == count
    store.rankings.delete(ranking)
    store.answers.delete(run)
    assert store.rankings.entries(ranking) == []
    assert store.answers.items(run) == set()
