import numpy as np
import pytest

from strategies.base import StrategyError
from strategies.near_duplicates.approximate import ApproximateIndex, choose_probes, learn_cells, move_by
from strategies.near_duplicates.groups import Grouper
from strategies.near_duplicates.index import VectorIndex
from tests.strategies.near_duplicates.grouping import grouped


def unit(seed: int, count: int, dimension: int = 32) -> np.ndarray:
    rows = np.random.default_rng(seed).normal(size=(count, dimension))
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def planted(seed: int, count: int, pairs: int, radius: float) -> np.ndarray:
    """Unlike vectors, and copies of the first `pairs` of them at up to 0.9 of the radius."""
    rng = np.random.default_rng(seed)
    rows = unit(seed, count)
    copies = np.concatenate([move_by(rows[i : i + 1], radius * rng.uniform(0, 0.9), rng) for i in range(pairs)])
    return np.concatenate([rows, copies])


def test_visiting_every_cell_is_exact() -> None:
    vectors = unit(0, 800)
    exact = VectorIndex(32)
    exact.add(vectors)
    cells = ApproximateIndex(learn_cells(vectors, np.random.default_rng(1)), probes=10**6)
    cells.add(vectors[:300])
    cells.add(vectors[300:])
    for ours, theirs in zip(cells.within(vectors[:50], 0.6), exact.within(vectors[:50], 0.6), strict=True):
        assert np.allclose(ours, theirs, atol=1e-6)
    assert cells.nearest(vectors[:50], 4)[1].tolist() == exact.nearest(vectors[:50], 4)[1].tolist()
    assert np.array_equal(cells.vectors(np.array([5, 700])), vectors[[5, 700]])
    assert np.array_equal(exact.vectors(np.array([5, 700])), vectors[[5, 700]])


def test_recall_is_measured_and_reached() -> None:
    vectors = planted(0, 4000, 400, 0.05)
    index = ApproximateIndex(learn_cells(vectors, np.random.default_rng(1)), probes=1)
    assert choose_probes(index, vectors, 0.05, np.random.default_rng(2)) >= 0.99
    assert index.probes > 1
    exact = VectorIndex(32)
    exact.add(vectors)
    index.add(vectors)
    real, found = neighbours(exact, vectors, 0.05), neighbours(index, vectors, 0.05)
    assert len(real) >= 800
    assert found <= real
    assert len(found) >= 0.98 * len(real)


def neighbours(index: VectorIndex | ApproximateIndex, vectors: np.ndarray, radius: float) -> set[tuple[int, int]]:
    lims, _, positions = index.within(vectors, radius)
    rows = np.repeat(np.arange(len(vectors)), np.diff(lims))
    return {(row, other) for row, other in zip(rows.tolist(), positions.tolist(), strict=True) if row != other}


def test_grouping_in_cells_finds_what_was_planted() -> None:
    vectors = planted(3, 3000, 300, 0.03)
    index = ApproximateIndex(learn_cells(vectors, np.random.default_rng(0)))
    choose_probes(index, vectors, 0.03, np.random.default_rng(1))
    numbers = Grouper(index, 0.03).assign(vectors)
    assert np.mean(np.array(grouped(vectors, 0.03))[3000:] == np.arange(300)) == 1.0
    assert np.mean(numbers[3000:] == np.arange(300)) >= 0.99


def test_one_at_a_time_gives_the_same_groups() -> None:
    vectors = planted(4, 300, 60, 0.03)
    index = ApproximateIndex(learn_cells(vectors, np.random.default_rng(0)), probes=10**6)
    grouper = Grouper(index, 0.03)
    numbers = [int(grouper.assign(vector[None])[0]) for vector in vectors]
    assert numbers == grouped(vectors, 0.03)
    assert len(index) == max(numbers) + 1


def test_odd_arguments_are_refused() -> None:
    index = ApproximateIndex(unit(0, 4))
    with pytest.raises(StrategyError, match="cells"):
        index.probes = 0
    with pytest.raises(StrategyError, match="neighbors"):
        index.nearest(unit(1, 2), 0)
    index.add(np.zeros((0, 32), np.float32))
    assert index.nearest(unit(1, 2), 3)[1].shape == (2, 0)
    assert index.within(unit(1, 2), 0.1)[0].tolist() == [0, 0, 0]
