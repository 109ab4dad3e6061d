from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from ml_backend.errors import PapLoopError
from ml_backend.predictions.packing import Found, pack, unpack
from ml_backend.state.store import Store
from tests.fakes.runs import open_run
from training.types import Detections

floats = st.floats(-1e6, 1e6, width=32)


@st.composite
def answers(draw: st.DrawFn) -> Found:
    regions, members, classes = draw(st.integers(0, 4)), draw(st.integers(1, 3)), draw(st.integers(1, 3))
    masks = [{"size": [7, 9], "counts": f"mask{number}"} for number in range(regions)]
    return Found(
        Detections(
            size=(7, 9),
            boxes=draw(arrays(np.float32, (regions, 4), elements=floats)),
            probs=draw(arrays(np.float32, (members, regions, classes + 1), elements=floats)),
            masks=masks if draw(st.booleans()) else None,
            columns={"box_iou": draw(arrays(np.float32, (members, regions), elements=floats))},
        ),
        tuple(draw(st.lists(st.text(st.characters(exclude_categories=["Cs"])), min_size=classes, max_size=classes))),
    )


@given(answers())
@settings(deadline=None, derandomize=True)
def test_an_answer_comes_back_as_it_was(found: Found) -> None:
    again = unpack(pack(found))
    assert again.classes == found.classes
    assert again.detections.size == found.detections.size
    assert again.detections.masks == found.detections.masks
    np.testing.assert_array_equal(again.detections.boxes, found.detections.boxes)
    np.testing.assert_array_equal(again.detections.probs, found.detections.probs)
    np.testing.assert_array_equal(again.detections.columns["box_iou"], found.detections.columns["box_iou"])


@pytest.mark.parametrize("damage", [lambda b: b[:20], lambda b: b"x" + b[1:], lambda b: b"PLD1" + b"\0" * 40])
def test_damaged_bytes_are_told(damage: Callable[[bytes], bytes]) -> None:
    empty = Found(Detections((5, 5), np.zeros((0, 4), np.float32), np.zeros((1, 0, 2), np.float32)), ("a",))
    content = pack(empty)
    with pytest.raises(PapLoopError, match="damaged"):
        unpack(damage(content))


def test_vectors_keep_their_angles() -> None:
    rng = np.random.default_rng(0)
    vectors = rng.normal(size=(6, 64)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    boxes, probs = np.zeros((6, 4), np.float32), np.full((1, 6, 2), 0.5, np.float32)
    again = unpack(pack(Found(Detections((5, 5), boxes, probs, columns={"vectors": vectors}), ("a",))))
    np.testing.assert_allclose(again.detections.columns["vectors"], vectors, atol=1e-3)


def test_answers_are_kept_by_run_and_item(store: Store) -> None:
    store.projects.upsert(1, "One", "", 1.0)
    run = open_run(store, 1)
    store.detections.save(run.id, {5: b"five", 3: b"three"})
    store.detections.save(run.id, {5: b"FIVE", 9: b"nine"})
    assert store.detections.items(run.id) == {3, 5, 9}
    assert store.detections.of(run.id, [5, 3, 77]) == {3: b"three", 5: b"FIVE"}
    assert store.detections.runs(1) == [run.id]
    store.detections.delete(run.id)
    assert store.detections.items(run.id) == set()
    assert store.detections.runs(1) == []
