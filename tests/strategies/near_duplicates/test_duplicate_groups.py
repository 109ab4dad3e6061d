import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from strategies.base import StrategyError
from strategies.near_duplicates import groups as groups_module
from strategies.near_duplicates.groups import Grouper, cosine_distances
from strategies.near_duplicates.index import VectorIndex
from tests.strategies.near_duplicates.grouping import grouped


def clustered(seed: int, count: int, dimension: int, spread: float) -> np.ndarray:
    rng = np.random.default_rng(seed)
    centres = rng.normal(size=(max(1, count // 4), dimension))
    rows = centres[rng.integers(len(centres), size=count)] + spread * rng.normal(size=(count, dimension))
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    return rows.astype(np.float32)


def brute_force(vectors: np.ndarray, radius: float) -> list[int]:
    """The definition, one vector at a time."""
    found: list[np.ndarray] = []
    numbers = []
    for vector in vectors:
        distances = cosine_distances(vector, np.array(found)) if found else np.zeros(0)
        if len(distances) and distances.min() <= radius:
            numbers.append(int(np.argmin(distances)))
        else:
            numbers.append(len(found))
            found.append(vector)
    return numbers


def in_batches(vectors: np.ndarray, cuts: list[int], radius: float) -> list[int]:
    """Feed the vectors in pieces, handing back the representatives each time as the service does."""
    representatives = np.zeros((0, vectors.shape[1]), np.float32)
    numbers: list[int] = []
    edges = sorted({0, len(vectors), *(c % (len(vectors) + 1) for c in cuts)})
    for start, stop in itertools.pairwise(edges):
        batch = vectors[start:stop]
        assigned = grouped(batch, radius, representatives)
        for vector, number in zip(batch, assigned, strict=True):
            if number == len(representatives):
                representatives = np.concatenate([representatives, vector[None]])
        numbers += assigned
    return numbers


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 2**31),
    count=st.integers(1, 60),
    dimension=st.integers(2, 40),
    spread=st.floats(0.0, 0.6),
    radius=st.floats(0.0, 0.5),
    cuts=st.lists(st.integers(0, 200), max_size=6),
)
def test_property_4_members_lie_within_the_radius_and_batching_changes_nothing(
    seed: int, count: int, dimension: int, spread: float, radius: float, cuts: list[int]
) -> None:
    vectors = clustered(seed, count, dimension, spread)
    whole = grouped(vectors, radius)
    first = {n: i for i, n in reversed(list(enumerate(whole)))}
    assert sorted(first) == list(range(len(first)))
    for position, number in enumerate(whole):
        assert cosine_distances(vectors[position], vectors[first[number]][None])[0] <= radius
    assert in_batches(vectors, cuts, radius) == whole == brute_force(vectors, radius)


def test_blocks_inside_one_call_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    vectors = clustered(3, 300, 8, 0.2)
    whole = grouped(vectors, 0.05)
    monkeypatch.setattr(groups_module, "BLOCK", 7)
    assert grouped(vectors, 0.05) == whole


def test_a_slow_turn_does_not_become_one_chain() -> None:
    angles = np.linspace(0, np.pi, 200)
    vectors = np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)
    assert len(set(grouped(vectors, 0.03))) > 6


def test_equal_vectors_share_a_group_at_radius_zero() -> None:
    vectors = np.repeat(clustered(1, 3, 16, 1.0), 5, axis=0)
    assert grouped(vectors, 0.0) == [0] * 5 + [1] * 5 + [2] * 5


@pytest.mark.parametrize("radius", [-0.1, 2.0, float("nan")])
def test_an_impossible_radius_is_refused(radius: float) -> None:
    with pytest.raises(StrategyError, match="radius"):
        grouped(np.eye(2, dtype=np.float32), radius)


def test_a_vector_that_is_not_a_number_is_named() -> None:
    vectors = np.eye(3, dtype=np.float32)
    vectors[1, 1] = np.nan
    with pytest.raises(StrategyError, match="Vector 1"):
        grouped(vectors, 0.1)


def test_a_vector_joins_the_nearest_representative_that_is_confirmed() -> None:
    angles = np.radians([0.0, 12.0, 5.0, 5.0])
    vectors = np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)
    asked: list[tuple[int, int]] = []

    def confirm(row: int, number: int) -> bool:
        asked.append((row, number))
        return (row, number) == (2, 1)

    # 5 degrees are nearer to 0 than to 12, yet only the latter is confirmed; the copy of it is not confirmed at all
    assert grouped(vectors, 0.01, confirm=confirm) == [0, 1, 1, 2]
    assert asked == [(2, 0), (2, 1), (3, 0), (3, 1)]
    asked.clear()
    assert grouped(vectors[2:], 0.01, vectors[:2], lambda row, number: (row, number) == (0, 1)) == [1, 2]


def test_confirmation_sees_rows_of_the_whole_call(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(groups_module, "BLOCK", 2)
    vectors = np.repeat(clustered(1, 1, 8, 1.0), 5, axis=0)
    asked: list[tuple[int, int]] = []

    def confirm(row: int, number: int) -> bool:
        asked.append((row, number))
        return False

    assert grouped(vectors, 0.0, confirm=confirm) == [0, 1, 2, 3, 4]
    assert [row for row, _ in asked] == [1, 2, 2, 3, 3, 3, 4, 4, 4]


def test_the_founder_of_a_new_group_is_known_while_it_is_confirmed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(groups_module, "BLOCK", 2)
    vectors = clustered(1, 3, 8, 1.0)
    index = VectorIndex(8)
    index.add(vectors[:1])
    asked: list[tuple[int, int | None]] = []

    def confirm(row: int, number: int) -> bool:
        asked.append((row, grouper.founder(number)))
        return True

    grouper = Grouper(index, 0.0, confirm)
    assert grouper.assign(vectors[[1, 0, 2, 2, 1]]).tolist() == [1, 0, 2, 2, 1]
    assert asked == [(1, None), (3, 2), (4, 0)]
