import itertools

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from strategies.base import StrategyError
from strategies.near_duplicates.frames import DIMENSION, RADIUS, FrameIndex, frame, turned_distance
from strategies.near_duplicates.groups import Grouper
from strategies.near_duplicates.index import VectorIndex
from tests.strategies.near_duplicates.specimens import specimen


def copies(image: np.ndarray) -> list[np.ndarray]:
    stained = np.clip(image * np.array([1.05, 0.93, 1.0]) + np.array([0, 6, -8]), 0, 255).astype(np.uint8)
    small = cv2.resize(image, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)
    return [np.rot90(image).copy(), image[:, ::-1].copy(), np.rot90(image[::-1], 2).copy(), small, stained]


def test_copies_of_the_whole_frame_are_near_and_others_are_not() -> None:
    images = [specimen(seed) for seed in range(6)]
    index = FrameIndex()
    index.add(np.stack([frame(image) for image in images]), np.arange(10, 16))
    for number, image in enumerate(images, 10):
        for near in index.near(np.stack([frame(copy) for copy in copies(image)])):
            assert list(near) == [number]
            assert near[number] < RADIUS / 2


def test_an_empty_field_is_never_proposed() -> None:
    empty = np.stack([frame(np.full((80, 80, 3), level, np.uint8)) for level in (20, 20, 200)])
    assert not empty.any()
    index = FrameIndex()
    index.add(empty, np.arange(3))
    assert index.near(empty) == [{}, {}, {}]
    with pytest.raises(StrategyError, match="256"):
        index.near(np.zeros((2, 4), np.float32))


def test_the_distance_is_that_of_the_best_turn() -> None:
    rng = np.random.default_rng(0)
    a, b = (row / np.linalg.norm(row) for row in rng.normal(size=(2, DIMENSION)))
    first, second = a.astype(np.float32), b.astype(np.float32)
    square = a.reshape(16, 16)
    turns = [np.rot90(side, quarter).ravel() for side in (square, square[:, ::-1]) for quarter in range(4)]
    assert turned_distance(first, second) == pytest.approx(1 - max(turn @ b for turn in turns), abs=1e-6)
    assert turned_distance(first, second) == pytest.approx(turned_distance(second, first), abs=1e-9)


@settings(max_examples=25, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 7)), max_size=25), st.data())
def test_any_batching_gives_the_same_groups(arrivals: list[tuple[int, int]], data: st.DataObject) -> None:
    rng = np.random.default_rng(1)
    base = rng.normal(size=(6, 16, 16))
    frames = np.stack(
        [np.rot90(base[which] if turn < 4 else base[which][:, ::-1], turn % 4).ravel() for which, turn in arrivals]
        or [np.zeros(DIMENSION)]
    )[: len(arrivals)]
    frames = (frames / np.maximum(np.linalg.norm(frames, axis=1, keepdims=True), 1e-9)).astype(np.float32)
    vectors = rng.normal(size=(len(arrivals), 8)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)

    def grouped(cuts: list[int]) -> list[int]:
        grouper = Grouper(VectorIndex(8), 0.0, None, FrameIndex())
        bounds = [0, *sorted(cuts), len(arrivals)]
        return [
            number
            for low, high in itertools.pairwise(bounds)
            for number in grouper.assign(vectors[low:high], frames[low:high]).tolist()
        ]

    cuts = data.draw(st.lists(st.integers(0, len(arrivals)), max_size=4))
    whole = grouped([])
    assert grouped(cuts) == whole
    first = {which: number for (which, _), number in reversed(list(zip(arrivals, whole, strict=True)))}
    assert whole == [first[which] for which, _ in arrivals]
