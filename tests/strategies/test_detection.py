"""Detection strategies against small examples worked by hand."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

import strategies
from strategies.base import Pool, StrategyError
from strategies.detection.ppal import ALPHA, BETA, k_medoids, similarity


def pool_of(
    *images: list[list[float]],
    overlaps: Any = None,
    vectors: Any = None,
    members: Any = None,
    labelled: tuple[int, ...] = (),
) -> Pool:
    """A pool from the class distributions of each image's boxes; the last class is the background."""
    counts = [len(boxes) for boxes in images]
    rows = [row for boxes in images for row in boxes]
    probs = np.array(rows, dtype=np.float32).reshape(1, len(rows), -1)
    if members is not None:
        probs = np.concatenate([probs, np.array(members, dtype=np.float32)[None]])
    n = len(images)
    mask = np.isin(np.arange(n), labelled)
    given = None if overlaps is None else np.array(overlaps, dtype=np.float32)
    return Pool(
        ids=np.arange(n, dtype=np.int64),
        probs=probs,
        offsets=np.concatenate([[0], np.cumsum(counts)]).astype(np.int64),
        embeddings=np.zeros((n, 0), dtype=np.float32),
        region_embeddings=None if vectors is None else np.array(vectors, dtype=np.float32),
        labels=np.full(n, -1, dtype=np.int64),
        labelled=mask,
        groups=np.arange(n, dtype=np.int64),
        background=True,
        box_overlaps=given,
        mask_overlaps=given,
    )


def utilities(name: str, pool: Pool, **params: Any) -> list[float]:
    ranking = strategies.rank(name, pool, len(pool), np.random.default_rng(0), **params)
    return [round(float(value), 5) for value in ranking.utilities]


def h(*probs: float) -> float:
    return -sum(p * math.log(p) for p in probs if p > 0)


HALF, SURE, QUARTER = [0.5, 0.5, 0.0], [1.0, 0.0, 0.0], [0.25, 0.25, 0.5]


@pytest.mark.parametrize(
    ("aggregate", "expected"),
    [
        ("sum", [h(0.5, 0.5), h(0.5, 0.5) + h(0.25, 0.25, 0.5), 0]),
        ("mean", [h(0.5, 0.5) / 2, (h(0.5, 0.5) + h(0.25, 0.25, 0.5)) / 2, 0]),
        ("max", [h(0.5, 0.5), h(0.25, 0.25, 0.5), 0]),
    ],
)
def test_box_entropy(aggregate: str, expected: list[float]) -> None:
    pool = pool_of([HALF, SURE], [HALF, QUARTER], [])
    assert utilities("box_entropy", pool, aggregate=aggregate) == pytest.approx(expected, abs=1e-4)


def test_box_margin() -> None:
    pool = pool_of([[0.6, 0.3, 0.1], SURE], [HALF], [])
    assert utilities("box_margin", pool) == pytest.approx([0.7**2, 1.0, 0.0], abs=1e-4)
    assert utilities("box_margin", pool, aggregate="mean") == pytest.approx([0.245, 1.0, 0.0], abs=1e-4)


def test_box_disagreement() -> None:
    # Box 1 says the same but moves; box 2 stays but changes its class altogether; box 3 does neither.
    pool = pool_of(
        [[0.8, 0.0, 0.2]],
        [[1.0, 0.0, 0.0]],
        [[0.5, 0.5, 0.0]],
        members=[[0.8, 0.0, 0.2], [0.0, 1.0, 0.0], [0.5, 0.5, 0.0]],
        overlaps=[[1.0, 1.0, 1.0], [0.4, 1.0, 1.0]],
    )
    assert utilities("box_disagreement", pool) == pytest.approx([0.8 * 0.6, 1.0, 0.0], abs=1e-4)


def test_mask_disagreement() -> None:
    pool = pool_of(
        [[0.8, 0.0, 0.2], [1.0, 0.0, 0.0]],
        [],
        members=[[0.8, 0.0, 0.2], [1.0, 0.0, 0.0]],
        overlaps=[[1.0, 1.0], [0.5, 0.9]],
    )
    assert utilities("mask_disagreement", pool) == pytest.approx([0.8 * 0.5 + 0.1, 0.0], abs=1e-4)
    assert utilities("mask_disagreement", pool, aggregate="max") == pytest.approx([0.4, 0.0], abs=1e-4)


def test_localisation_stability() -> None:
    same = [[0.9, 0.0, 0.1], [0.4, 0.2, 0.4]]
    pool = pool_of(same, [], members=same, overlaps=[[1.0, 1.0], [0.8, 0.3]])
    stable = (0.9 * 0.8 + 0.4 * 0.3) / 1.3
    assert utilities("localisation_stability", pool) == pytest.approx([0.6 - stable, 0.0], abs=1e-4)


def test_expected_misses() -> None:
    pool = pool_of([[0.9, 0.0, 0.1], [0.3, 0.2, 0.5]], [[0.45, 0.0, 0.55], [0.1, 0.1, 0.8]], [])
    assert utilities("expected_misses", pool) == pytest.approx([0.5, 0.65, 0.0], abs=1e-4)
    assert utilities("expected_misses", pool, threshold=0.2) == pytest.approx([0.0, 0.2, 0.0], abs=1e-4)


def test_class_quota_prefers_what_is_rare_and_then_the_other() -> None:
    common, rare = [1.0, 0.0, 0.0], [0.0, 1.0, 0.0]
    pool = pool_of([common] * 4, [rare], [common] * 3, [rare, rare], labelled=(0,))
    # Nothing rare is labeled: two rare objects (2 / 1) beat one (1 / 1) and three common ones (3 / 5).
    order = strategies.rank("class_quota", pool, 3, np.random.default_rng(0)).order
    # Then three common ones (3 / 5) beat one rare (1 / 3).
    assert order.tolist() == [3, 2, 1]
    full = strategies.rank("class_quota", pool, 3, np.random.default_rng(0), quota=4).order
    # With a quota of 4 the common class is full from the start.
    assert full.tolist() == [3, 1, 2]
    with pytest.raises(StrategyError, match="quota"):
        strategies.rank("class_quota", pool, 3, np.random.default_rng(0), quota=-1)


def test_class_quota_counts_objects_that_the_pool_does_not_show() -> None:
    common, rare = [1.0, 0.0, 0.0], [0.0, 1.0, 0.0]
    pool = pool_of([], [rare], [common] * 2, labelled=(0,))
    # Two common objects (2 / 1) beat one rare one, unless five common ones were labeled (2 / 6 against 1 / 1).
    assert strategies.rank("class_quota", pool, 1, np.random.default_rng(0)).order.tolist() == [2]
    known = strategies.rank("class_quota", pool, 1, np.random.default_rng(0), have=(5.0, 0.0))
    assert known.order.tolist() == [1]
    with pytest.raises(StrategyError, match="2 classes but 1 numbers"):
        strategies.rank("class_quota", pool, 1, np.random.default_rng(0), have=(5.0,))


def test_ppal_weighs_hard_classes() -> None:
    pool = pool_of([HALF], [[0.5, 0.0, 0.5]], [[0.0, 0.5, 0.5]], vectors=np.eye(3))
    hard = 1 + ALPHA * BETA * math.log(math.exp(1 / ALPHA))
    ranking = strategies.rank("ppal", pool, 3, np.random.default_rng(0), difficulty=(0.0, 1.0))
    expected = [math.log(2), math.log(2), hard * math.log(2)]
    np.testing.assert_allclose(ranking.evidence["uncertainty"], expected, atol=1e-5)
    with pytest.raises(StrategyError, match="2 classes but 1 difficulties"):
        strategies.rank("ppal", pool, 1, np.random.default_rng(0), difficulty=(0.5,))


def test_ppal_similarity_matches_within_a_class() -> None:
    first, second = [0.8, 0.0, 0.2], [0.0, 0.4, 0.6]
    vectors = [[1, 0], [0, 1], [0.6, 0.8], [1, 0]]
    pool = pool_of([first, second], [first], [second], vectors=vectors)
    alike = similarity(pool, np.arange(3))
    # Image 0 to 1: its first box matches by 0.6, its second finds no box of its class.
    there, back = 0.8 * 0.6 / 1.2, 0.6
    assert alike[0, 1] == pytest.approx((there + back) / 2, abs=1e-6)
    assert alike[1, 2] == 0
    assert alike[0, 2] == pytest.approx(0.0, abs=1e-6)
    np.testing.assert_allclose(np.diag(alike), 1, atol=1e-6)


def test_ppal_takes_one_of_each_kind() -> None:
    sharp, other = [[0.5, 0.2, 0.3]], [[0.2, 0.5, 0.3]]
    vectors = [[1, 0], [1, 0], [1, 0], [0, 1], [0, 1]]
    pool = pool_of(sharp, sharp, sharp, other, other, vectors=vectors)
    order = strategies.rank("ppal", pool, 2, np.random.default_rng(0), pool_factor=3).order
    assert len({position >= 3 for position in order.tolist()}) == 2


def test_medoids_are_the_centres_of_their_groups() -> None:
    places = np.array([0.0, 0.1, 0.2, 5.0, 5.2, 5.3])
    alike = -np.abs(places[:, None] - places[None])
    assert sorted(k_medoids(alike, 2).tolist()) == [1, 4]
    assert sorted(k_medoids(alike, 6).tolist()) == list(range(6))
