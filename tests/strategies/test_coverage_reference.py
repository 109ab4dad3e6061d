"""Diversity and hybrid strategies against brute force."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

import strategies
from strategies._math.balls import BallCover, packed_down, pure_radius
from strategies._math.coverage import Coverage, gaussian, median_distance
from strategies._math.kmeans import Points, kmeans
from strategies._math.sampling import DistanceSampler
from strategies.base import Pool, StrategyError
from strategies.diversity.typiclust import typicality
from strategies.hybrid._gradients import Gradients, errors
from strategies.hybrid.cluster_margin import round_robin
from tests.strategies.contracts.pools import make_pool, unit


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def distances(pool: Pool) -> NDArray[np.float64]:
    vectors = pool.embeddings.astype(np.float64)
    return np.asarray(np.linalg.norm(vectors[:, None] - vectors[None], axis=2))


def plain_herding(kernel: NDArray[np.floating], weights: NDArray[np.floating], start: list[int], k: int) -> list[int]:
    covered = kernel[start].max(axis=0) if start else np.zeros(len(kernel))
    free = [i for i in range(len(kernel)) if i not in start]
    picks: list[int] = []
    for _ in range(k):
        gains = {i: float((weights * np.maximum(kernel[i] - covered, 0)).sum()) for i in free if i not in picks}
        picks.append(max(gains, key=lambda i: gains[i]))
        covered = np.maximum(covered, kernel[picks[-1]])
    return picks


@pytest.mark.parametrize("labelled", [0, 7])
@pytest.mark.parametrize("name", ["max_herding", "uncertainty_herding"])
def test_herding_equals_plain_greedy(name: str, labelled: int) -> None:
    pool = make_pool(60, dimension=4, members=1, labelled=labelled, seed=3)
    open_items = np.flatnonzero(~pool.labelled)
    width = 0.5 * median_distance(pool.embeddings, open_items, rng())
    kernel = np.exp(-(distances(pool) ** 2) / (2 * width**2))
    top = np.sort(pool.probs[0], axis=1)
    weights = np.ones(60) if name == "max_herding" else 1 - (top[:, -1] - top[:, -2])
    weights = np.where(pool.labelled, 0, weights)
    plain = plain_herding(kernel, weights, np.flatnonzero(pool.labelled).tolist(), 25)
    assert strategies.rank(name, pool, 25, rng(), width=0.5).order.tolist() == plain


def test_herding_is_the_same_when_nothing_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    pool = make_pool(80, dimension=4, seed=3)
    kept = strategies.rank("max_herding", pool, 30, rng()).order.tolist()
    monkeypatch.setattr("strategies._math.coverage.KEPT_BYTES", 0)
    monkeypatch.setattr("strategies._math.coverage.BLOCK_BYTES", 4 * 80 * 7)
    assert strategies.rank("max_herding", pool, 30, rng()).order.tolist() == kept


def test_what_herding_counts_is_the_coverage() -> None:
    pool = make_pool(40, dimension=3, seed=2)
    everything = np.arange(40)
    none = np.zeros(0, np.int64)
    cover = Coverage(pool.embeddings, everything, everything, np.ones(40), gaussian(0.4), none)
    picks, added, counted = cover.picks(40)
    np.testing.assert_allclose(added, counted, rtol=1e-4, atol=1e-4)
    assert added.sum() == pytest.approx(40, rel=1e-4)
    assert sorted(picks.tolist()) == list(range(40))


def test_a_width_of_nothing_is_refused() -> None:
    with pytest.raises(StrategyError, match="kernel width"):
        strategies.rank("max_herding", make_pool(4), 1, rng(), width=0)


def test_large_pools_are_sampled(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("strategies._math.herding.SAMPLE", 50)
    pool = make_pool(300, dimension=4)
    assert len(strategies.rank("max_herding", pool, 40, rng()).order) == 40


def test_ball_cover_equals_plain_greedy() -> None:
    pool = make_pool(70, dimension=3, labelled=5, seed=6)
    open_items = np.flatnonzero(~pool.labelled)
    near = distances(pool) <= 0.6
    covered = near[pool.labelled].any(axis=0)
    cover = BallCover(pool.embeddings, open_items, 0.6, np.flatnonzero(pool.labelled))
    picks, counts, _ = cover.picks(8, rng())
    for pick, count in zip(open_items[picks], counts, strict=True):
        gains = (near[open_items][:, open_items] & ~covered[open_items]).sum(axis=1)
        assert count == gains.max()
        assert count == (near[pick] & ~covered)[open_items].sum()
        covered |= near[pick]


def test_ball_cover_is_the_same_in_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    pool = make_pool(300, dimension=3, labelled=9, seed=6)
    open_items = np.flatnonzero(~pool.labelled)
    whole = BallCover(pool.embeddings, open_items, 0.3, np.flatnonzero(pool.labelled)).picks(20, rng())
    monkeypatch.setattr("strategies._math.balls.BLOCK_ROWS", 24)
    monkeypatch.setattr("strategies._math.balls.BLOCK_COLUMNS", 48)
    parts = BallCover(pool.embeddings, open_items, 0.3, np.flatnonzero(pool.labelled)).picks(20, rng())
    assert parts[0].tolist() == whole[0].tolist()
    assert parts[1].tolist() == whole[1].tolist()


@pytest.mark.parametrize("rows", [8, 13, 64])
def test_bits_are_packed_down_like_numpy_does(rows: int) -> None:
    flags = rng(3).random((rows, 21)) < 0.4
    assert packed_down(flags).tolist() == np.packbits(flags, axis=0).tolist()


def test_the_radius_keeps_balls_pure() -> None:
    pool = make_pool(200, dimension=4, seed=1)
    radius = pure_radius(pool.embeddings, np.arange(200), 3, 0.95, rng(5))
    label, _ = kmeans(pool.embeddings, np.arange(200), 3, rng(5))
    gaps = distances(pool)
    pure = [bool((label[gaps[i] <= radius] == label[i]).all()) for i in range(200)]
    wider = [bool((label[gaps[i] <= radius + 0.02] == label[i]).all()) for i in range(200)]
    assert np.mean(pure) >= 0.95
    assert np.mean(wider) < 0.95


def test_prob_cover_takes_a_given_radius() -> None:
    ranking = strategies.rank("prob_cover", make_pool(50, dimension=3), 5, rng(), radius=0.7)
    assert ranking.facts["radius"] == 0.7


def test_typicality_is_the_inverse_mean_distance() -> None:
    pool = make_pool(30, dimension=4)
    gaps = np.sort(distances(pool), axis=1)[:, 1:6].mean(axis=1)
    np.testing.assert_allclose(typicality(pool.embeddings, np.arange(30), 5, rng()), 1 / (gaps + 1e-5), rtol=1e-3)


def blobs(sizes: list[int], labelled: tuple[int, ...] = ()) -> Pool:
    owner = np.repeat(np.arange(len(sizes)), sizes)
    vectors = unit(np.eye(len(sizes) + 1)[owner] + 0.05 * rng(1).standard_normal((len(owner), len(sizes) + 1)))
    pool = make_pool(len(owner), dimension=len(sizes) + 1)
    mask = np.isin(np.arange(len(owner)), labelled)
    return Pool(**{**vars(pool), "embeddings": vectors, "labelled": mask, "labels": np.where(mask, 0, -1)})


def test_typiclust_serves_uncovered_clusters_by_size() -> None:
    pool = blobs([12, 30, 20], labelled=(15,))
    order = strategies.rank("typiclust", pool, 2, rng()).order
    owner = np.repeat([0, 1, 2], [12, 30, 20])
    assert owner[order].tolist() == [2, 0]


def test_density_is_the_mean_cosine() -> None:
    pool = make_pool(30, dimension=4)
    plain = (pool.embeddings @ pool.embeddings.T).mean(axis=1)
    np.testing.assert_allclose(strategies.rank("density", pool, 30, rng()).utilities, plain, atol=1e-6)


def test_rejection_draws_follow_the_squared_distance() -> None:
    pool = make_pool(7, dimension=3, seed=9)
    gaps = distances(pool)
    counts = np.zeros((7, 7))
    for seed in range(4000):
        sampler = DistanceSampler(Points(pool.embeddings), np.full(7, np.float32(4)), rng(seed))
        sampler.take(0)
        first, second = sampler.draw(2)
        counts[first, second] += 1
    one = gaps[0] ** 2 / (gaps[0] ** 2).sum()
    np.testing.assert_allclose(counts.sum(axis=1) / 4000, one, atol=0.03)
    first = int(one.argmax())
    two = np.minimum(gaps[0], gaps[first]) ** 2
    np.testing.assert_allclose(counts[first] / counts[first].sum(), two / two.sum(), atol=0.05)


def test_gradients_are_those_of_badge() -> None:
    pool = make_pool(15, dimension=4, members=1, classes=3)
    error = errors(pool.probs[0])
    formed = np.einsum("nc,nd->ncd", error, pool.embeddings).reshape(15, -1)
    plain = ((formed[:, None] - formed[None]) ** 2).sum(axis=2)
    every = np.arange(15)
    np.testing.assert_allclose(Gradients(error, Points(pool.embeddings)).squared(every, every), plain, atol=1e-5)
    first = strategies.rank("badge", pool, 3, rng()).order[0]
    assert first == (formed**2).sum(axis=1).argmax()


def test_kmeans_finds_blobs_and_respects_weights() -> None:
    pool = blobs([20, 20, 20])
    label, centres = kmeans(pool.embeddings, np.arange(60), 3, rng())
    assert sorted(np.bincount(label).tolist()) == [20, 20, 20]
    weights = np.zeros(60)
    weights[5] = 1
    _, one = kmeans(pool.embeddings, np.arange(60), 1, rng(), weights)
    np.testing.assert_allclose(one[0], pool.embeddings[5], atol=1e-6)
    assert centres.shape == (3, 4)


def test_clue_takes_one_item_of_each_uncertain_cluster() -> None:
    pool = blobs([20, 20, 20])
    pool.probs[:, :40] = np.full(3, 1 / 3)
    pool.probs[:, 40:] = [1, 0, 0]
    order = strategies.rank("clue", pool, 2, rng()).order
    assert sorted(np.repeat([0, 1, 2], 20)[order].tolist()) == [0, 1]


def test_cluster_margin_serves_small_clusters_first() -> None:
    items = np.array([9, 3, 7, 1, 5, 2])
    label = np.array([0, 0, 1, 0, 1, 2])
    assert round_robin(items, label).tolist() == [2, 7, 9, 5, 3, 1]


@pytest.mark.parametrize("labelled", [(), (2,), (0, 5)])
def test_kmeans_plus_plus_draws_by_the_squared_distance(labelled: tuple[int, ...]) -> None:
    pool = make_pool(7, dimension=3, seed=9)
    mask = np.isin(np.arange(7), labelled)
    pool = Pool(**{**vars(pool), "labelled": mask, "labels": np.where(mask, 0, -1)})
    firsts = [strategies.rank("kmeans_plus_plus", pool, 2, rng(seed)).order for seed in range(800)]
    squared = distances(pool) ** 2
    odds = squared[list(labelled)].min(axis=0) if labelled else np.ones(7)
    counts = np.bincount([order[0] for order in firsts], minlength=7)
    np.testing.assert_allclose(counts / 800, odds / odds.sum(), atol=0.06)
    first = int(counts.argmax())
    seconds = np.bincount([order[1] for order in firsts if order[0] == first], minlength=7)
    then = np.minimum(odds, squared[first]) if labelled else squared[first]
    np.testing.assert_allclose(seconds / seconds.sum(), then / then.sum(), atol=0.1)


def test_badge_draws_by_the_squared_distance_of_gradients() -> None:
    pool = make_pool(6, dimension=3, members=1, classes=3, seed=9)
    formed = np.einsum("nc,nd->ncd", errors(pool.probs[0]), pool.embeddings).reshape(6, -1).astype(np.float64)
    first = int((formed**2).sum(axis=1).argmax())
    odds = ((formed - formed[first]) ** 2).sum(axis=1)
    orders = [strategies.rank("badge", pool, 2, rng(seed)).order for seed in range(800)]
    assert {int(order[0]) for order in orders} == {first}
    counts = np.bincount([order[1] for order in orders], minlength=6)
    np.testing.assert_allclose(counts / 800, odds / odds.sum(), atol=0.06)


def test_clue_takes_what_is_nearest_to_the_weighted_mean() -> None:
    """One pick, one cluster: the mean weighted by entropy, written plainly."""
    pool = make_pool(40, dimension=4, members=1, classes=3, seed=5)
    exact = pool.probs[0].astype(np.float64)
    weights = -(exact * np.log(exact)).sum(axis=1)
    centre = (weights[:, None] * pool.embeddings).sum(axis=0) / weights.sum()
    nearest = ((pool.embeddings - centre) ** 2).sum(axis=1).argmin()
    assert strategies.rank("clue", pool, 1, rng()).order.tolist() == [nearest]


def test_cluster_margin_takes_the_lowest_margins_in_turn() -> None:
    """Blobs are the clusters: among the lowest margins, one of each in turn, the smallest group first."""
    pool = blobs([10, 20, 30])
    top = np.sort(pool.probs.mean(axis=0), axis=1)
    margin = top[:, -1] - top[:, -2]
    owner = np.repeat([0, 1, 2], [10, 20, 30])
    lowest = np.argsort(margin, kind="stable")[:15]
    queues = {c: [i for i in lowest if owner[i] == c] for c in range(3)}
    plain: list[int] = []
    turns = sorted((c for c in queues if queues[c]), key=lambda c: len(queues[c]))
    while any(queues.values()):
        plain += [queues[c].pop(0) for c in turns if queues[c]]
    order = strategies.rank("cluster_margin", pool, 3, rng(), clusters=3).order.tolist()
    assert sorted(order) == sorted(plain[:3])


def test_seeds_in_a_projection_find_the_same_blobs() -> None:
    owner = np.repeat(np.arange(6), 30)
    vectors = unit(np.eye(400)[owner] + 0.002 * rng(1).standard_normal((180, 400)))
    label, _ = kmeans(vectors, np.arange(180), 6, rng())
    assert all(len(set(label[owner == blob].tolist())) == 1 for blob in range(6))
    assert len(set(label.tolist())) == 6
