"""Work in parts on threads, and memory that is used again, change no number."""

from __future__ import annotations

import dataclasses
import threading

import numpy as np
import pytest

import strategies
from strategies._math.scratch import KEPT, scratch
from strategies._math.simplex import entropy, top_two
from strategies._math.threads import each, spans
from strategies.base import Pool, StrategyError
from tests.strategies.contracts.pools import make_pool

POINTWISE = (
    *("entropy", "margin", "least_confidence", "bald", "consensus_kl", "variation_ratio", "vote_entropy"),
    *("box_entropy", "box_margin", "box_disagreement", "expected_misses"),
)


def test_spans_cover_everything_once() -> None:
    assert spans(10, 4) == [(0, 4), (4, 8), (8, 10)]
    assert spans(0, 4) == []
    assert spans(2, 0) == [(0, 1), (1, 2)]


def test_each_keeps_the_order(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.sched_getaffinity", lambda _: {0, 1, 2})
    assert each(lambda number: number * number, list(range(50))) == [number * number for number in range(50)]


def test_an_error_in_a_part_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.sched_getaffinity", lambda _: {0, 1})
    with pytest.raises(ZeroDivisionError):
        each(lambda number: 1 // number, [1, 0, 2])


def test_scratch_is_each_threads_own() -> None:
    mine = scratch("x", (3, 4))
    others: list[np.ndarray] = []
    other = threading.Thread(target=lambda: others.append(scratch("x", (3, 4))))
    other.start()
    other.join()
    assert np.shares_memory(mine, scratch("x", (12,)))
    assert not np.shares_memory(mine, others[0])
    assert not np.shares_memory(scratch("x", (KEPT + 1,)), scratch("x", (KEPT + 1,)))


@pytest.mark.parametrize("regions", [1, 3, None])
@pytest.mark.parametrize("name", POINTWISE)
def test_scores_do_not_depend_on_chunks(name: str, regions: int | None, monkeypatch: pytest.MonkeyPatch) -> None:
    pool = make_pool(90, classes=5, members=3, regions=regions, seed=4)
    whole = strategies.rank(name, pool, 90, np.random.default_rng(0))
    monkeypatch.setattr("strategies._math.pointwise.CHUNK_BYTES", 4 * 5 * 3 * 7)
    monkeypatch.setattr("strategies._math.pointwise.PART_BYTES", 4 * 5 * 3 * 16)
    monkeypatch.setattr("strategies.checks.PART_BYTES", 4 * 5 * 16)
    parts = strategies.rank(name, pool, 90, np.random.default_rng(0))
    np.testing.assert_allclose(parts.utilities, whole.utilities, atol=1e-5)


@pytest.mark.parametrize("aggregate", ["mean", "max", "sum"])
def test_equally_many_regions_are_folded_like_others(aggregate: str) -> None:
    pool = make_pool(40, classes=4, members=1, regions=3, seed=2)
    offsets = np.concatenate([pool.offsets, pool.offsets[-1:]])
    ragged = Pool(
        **{
            **vars(pool),
            "ids": np.concatenate([pool.ids, [10**6]]),
            "offsets": offsets,
            **{
                name: np.concatenate([getattr(pool, name), [getattr(pool, name)[-1]]])
                for name in ("labels", "labelled")
            },
            "groups": np.arange(41),
            "embeddings": np.concatenate([pool.embeddings, pool.embeddings[:1]]),
        }
    )
    fast = strategies.rank("entropy", pool, 40, np.random.default_rng(0), aggregate=aggregate).utilities
    slow = strategies.rank("entropy", ragged, 41, np.random.default_rng(0), aggregate=aggregate).utilities
    np.testing.assert_allclose(slow[:40], fast, atol=1e-6)
    assert slow[40] == 0


def test_entropy_of_certainty_among_others_is_nothing() -> None:
    rows = np.array([[0, 1, 0], [0.5, 0.5, 0], [0.2, 0.3, 0.5]], np.float32)
    np.testing.assert_allclose(entropy(rows), [0, np.log(2), 1.0296530], atol=1e-6)
    assert entropy(np.zeros((0, 3), np.float32)).shape == (0,)


@pytest.mark.parametrize("classes", range(1, 10))
def test_top_two_equals_a_sort(classes: int) -> None:
    rows = np.random.default_rng(classes).random((50, classes), dtype=np.float32)
    rows[7] = rows[7, 0]
    ordered = np.sort(np.concatenate([rows, np.zeros((50, 1), np.float32)], axis=1), axis=1)
    first, second = top_two(rows)
    assert first.tolist() == ordered[:, -1].tolist()
    assert second.tolist() == ordered[:, -2].tolist()


@pytest.mark.parametrize("value", [np.nan, -0.5, 0.9])
def test_the_first_bad_item_is_named_whichever_part_it_is_in(value: float, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("strategies.checks.PART_BYTES", 4 * 3 * 4)
    pool = make_pool(60, classes=3, members=1)
    pool.probs[0, [41, 17]] = [value, 0.3, 0.3]
    with pytest.raises(StrategyError, match=rf"Item {pool.ids[17]} "):
        strategies.rank("entropy", pool, 1, np.random.default_rng(0))


def test_the_first_vector_of_another_length_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("strategies.checks.PART_BYTES", 4 * 5 * 4)
    pool = make_pool(60, members=0)
    vectors = pool.embeddings.copy()
    vectors[[50, 23]] *= 2
    with pytest.raises(StrategyError, match=rf"Item {pool.ids[23]} .* length 2"):
        strategies.rank("core_set", dataclasses.replace(pool, embeddings=vectors), 1, np.random.default_rng(0))
