from dataclasses import replace

import numpy as np

from strategies.near_duplicates.verification.agreement import Agreement
from strategies.near_duplicates.verification.clusters import Cluster, cluster
from strategies.near_duplicates.verification.pairs import Match

SEEN = Agreement(1.0, 0.9, 0.6, 0.8)


def shift(x: float) -> Match:
    return Match(np.array([[1.0, 0, x], [0, 1, 0]]), 50, SEEN)


def never(_first: int, _second: int, _guess: np.ndarray) -> Match | None:
    return None


def shape(groups: list[Cluster]) -> list[tuple[int, list[int]]]:
    return [(group.representative, sorted(group.members)) for group in groups]


def test_the_best_linked_image_represents() -> None:
    pairs = {(0, 2): shift(1), (1, 2): shift(2), (2, 3): shift(3), (5, 6): shift(0)}
    assert shape(cluster(pairs, never)) == [(2, [0, 1, 3]), (5, [6])]


def test_a_chain_falls_apart() -> None:
    pairs = {(i, i + 1): shift(10) for i in range(9)}
    groups = cluster(pairs, never)
    assert len(groups) > 1
    for group in groups:
        assert all((min(group.representative, m), max(group.representative, m)) in pairs for m in group.members)


def test_images_linked_through_others_are_verified_from_the_map_through_them() -> None:
    asked: list[tuple[int, int, float]] = []

    def confirm(first: int, second: int, guess: np.ndarray) -> Match | None:
        asked.append((first, second, float(guess[0, 2])))
        return shift(float(guess[0, 2])) if first != 4 else None

    pairs = {(0, 1): shift(10), (1, 2): shift(10), (1, 3): shift(-5), (2, 4): shift(10), (2, 5): shift(1)}
    groups = cluster(pairs, confirm)
    # 1 and 2 have three partners each, the first of them represents
    assert shape(groups) == [(1, [0, 2, 3, 5])]
    assert asked == [(4, 1, -20.0), (5, 1, -11.0)]
    assert float(groups[0].members[0].matrix[0, 2]) == 10
    assert float(groups[0].members[2].matrix[0, 2]) == -10


def test_covers_are_swapped_with_the_pictures() -> None:
    members = cluster({(0, 1): shift(1), (0, 2): shift(2)}, never)[0].members
    assert members[1].agreement == replace(SEEN, cover_first=0.8, cover_second=0.6)


def test_leaders_stay_apart_and_come_first() -> None:
    pairs = {(0, 1): shift(1), (1, 2): shift(1), (1, 3): shift(1), (0, 2): shift(1)}
    assert shape(cluster(pairs, never, leaders=[0, 2])) == [(0, [1])]
    assert cluster({(0, 1): shift(1)}, never, leaders=[0, 1]) == []


def test_nothing_gives_nothing() -> None:
    assert cluster({}, never) == []
