import os
from pathlib import Path

import numpy as np
import pytest

from strategies.base import StrategyError
from strategies.near_duplicates.all_pairs import group_all
from strategies.near_duplicates.approximate import ApproximateIndex, learn_cells, measure_recall, move_by
from strategies.near_duplicates.groups import Grouper, assign_groups
from strategies.near_duplicates.index import VectorIndex
from strategies.near_duplicates.snapshot import open_index, save_cells


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
    index.add(vectors)
    recall = measure_recall(index, vectors, 0.05, np.random.default_rng(2))
    assert recall.probes == index.probes > 1
    assert recall.at_radius >= 0.99
    assert recall.neighbours > 100
    assert recall.observed >= 0.98


def test_few_neighbours_give_no_number() -> None:
    vectors = unit(0, 200)
    index = ApproximateIndex(learn_cells(vectors, np.random.default_rng(1)))
    index.add(vectors)
    recall = measure_recall(index, vectors, 0.001, np.random.default_rng(2))
    assert recall.neighbours == 0
    assert np.isnan(recall.observed)


def test_grouping_in_cells_finds_what_was_planted() -> None:
    vectors = planted(3, 3000, 300, 0.03)
    exact = group_all(vectors, np.random.default_rng(0), 0.03)
    cells = group_all(vectors, np.random.default_rng(0), 0.03, exact_up_to=100)
    assert exact.recall == 1.0
    assert exact.probes == 0
    assert exact.numbers.tolist() == assign_groups(vectors, vectors[:0], 0.03).tolist()
    assert np.mean(exact.numbers[3000:] == np.arange(300)) == 1.0
    assert cells.probes > 0
    assert np.mean(cells.numbers[3000:] == np.arange(300)) >= 0.99


def test_one_at_a_time_gives_the_same_groups() -> None:
    vectors = planted(4, 300, 60, 0.03)
    index = ApproximateIndex(learn_cells(vectors, np.random.default_rng(0)), probes=10**6)
    grouper = Grouper(index, 0.03)
    numbers = [int(grouper.assign(vector[None])[0]) for vector in vectors]
    assert numbers == assign_groups(vectors, vectors[:0], 0.03).tolist()
    assert len(index) == max(numbers) + 1


def test_odd_arguments_are_refused() -> None:
    index = ApproximateIndex(unit(0, 4))
    with pytest.raises(StrategyError, match="cells"):
        index.probes = 0
    with pytest.raises(StrategyError, match="rebuild"):
        index.add(unit(1, 2), np.array([0, 9]))
    with pytest.raises(StrategyError, match="neighbours"):
        index.nearest(unit(1, 2), 0)
    index.add(np.zeros((0, 32), np.float32))
    assert index.nearest(unit(1, 2), 3)[1].shape == (2, 0)
    assert index.within(unit(1, 2), 0.1)[0].tolist() == [0, 0, 0]


def answers(index: ApproximateIndex, vectors: np.ndarray) -> list[int]:
    index.probes = 10**6
    return index.nearest(vectors, 3)[1].ravel().tolist()


def test_a_snapshot_comes_back_and_grows(tmp_path: Path) -> None:
    vectors, path = unit(0, 500), tmp_path / "deep" / "cells"
    open_index(path, vectors[:300], 0)
    before = path.read_bytes()
    again = open_index(path, vectors[:300], seed=99)
    assert path.read_bytes() == before
    grown = open_index(path, vectors, seed=99)
    assert len(grown) == 500
    assert np.array_equal(grown.centres, again.centres)
    assert path.read_bytes() != before
    assert answers(grown, vectors) == answers(open_index(tmp_path / "other", vectors, 1), vectors)


def test_nothing_wrong_ever_comes_out_of_a_damaged_or_foreign_snapshot(tmp_path: Path) -> None:
    vectors, path = unit(0, 200), tmp_path / "cells"
    open_index(path, vectors, 0)
    whole, right = path.read_bytes(), answers(open_index(path, vectors, 0), vectors)
    rng = np.random.default_rng(5)
    damaged = [b"", whole[:10], whole[: len(whole) // 2], whole[:-1], b"x" * 500]
    for _ in range(20):
        spoilt = bytearray(whole)
        spoilt[int(rng.integers(len(whole)))] ^= 0xFF
        damaged.append(bytes(spoilt))
    for data in damaged:
        path.write_bytes(data)
        assert answers(open_index(path, vectors, 0), vectors) == right
        assert path.read_bytes() == whole
    other = unit(1, 200)
    assert answers(open_index(path, other, 0), other) == answers(open_index(tmp_path / "fresh", other, 0), other)
    path.write_bytes(whole)
    assert len(open_index(path, vectors[:150], 0)) == 150


def test_a_kill_while_saving_leaves_the_old_snapshot(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    vectors, path = unit(0, 200), tmp_path / "cells"
    open_index(path, vectors[:100], 0)
    before = path.read_bytes()

    def killed(_descriptor: int) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "fsync", killed)
    with pytest.raises(KeyboardInterrupt):
        save_cells(path, unit(0, 4), np.zeros(200, np.int64), vectors)
    monkeypatch.undo()
    assert path.read_bytes() == before
    assert len(open_index(path, vectors, 0)) == 200


def test_an_empty_matrix_has_an_empty_index(tmp_path: Path) -> None:
    index = open_index(tmp_path / "cells", np.zeros((0, 8), np.float32), 0)
    assert len(index) == 0
    assert len(open_index(tmp_path / "cells", unit(0, 40, 8), 0)) == 40
