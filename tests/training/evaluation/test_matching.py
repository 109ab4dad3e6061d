"""AP50 from what became of each detection, compared with pycocotools."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from training.data.detection_set import DetectionSet, LabelledImage
from training.evaluation.detection import evaluate, matched
from training.evaluation.matching import Matches
from training.types import Detections, TrainingError

CLASSES = ("a", "b", "never")


def scene(seed: int, images: int = 12) -> tuple[DetectionSet, list[Detections]]:
    """Truth, and answers that are shifted, missing, doubled or invented."""
    rng = np.random.default_rng(seed)
    truth, found = [], []
    for number in range(images):
        corners = rng.uniform(0, 160, size=(rng.integers(0, 9), 2))
        boxes = np.concatenate([corners, corners + rng.uniform(12, 40, size=corners.shape)], axis=1).astype(np.float32)
        classes = rng.integers(0, 2, size=len(boxes))
        ignore = boxes[:1] if number % 4 == 0 else boxes[:0]
        truth.append(
            LabelledImage(
                Path(f"{number}.png"), f"{number}.png", (200, 200), boxes, classes.astype(np.int64), None, ignore
            )
        )
        invented = rng.uniform(0, 60, (2, 4)) + np.array([0, 0, 70, 70])
        moved = np.concatenate([boxes, boxes[::2], invented])
        moved = np.clip(moved + rng.normal(0, 4, moved.shape), 0, 200).astype(np.float32)
        probs = rng.dirichlet(np.full(4, 0.4), size=len(moved)).astype(np.float32)
        found.append(Detections((200, 200), moved, probs[None]))
    return DetectionSet(CLASSES, tuple(truth)), found


@pytest.mark.parametrize("seed", range(6))
def test_it_equals_coco(seed: int) -> None:
    data, found = scene(seed)
    assert matched(data, found).ap50() == pytest.approx(evaluate(data, found)["AP50"], abs=2e-6)


def test_it_equals_coco_on_part_of_the_images() -> None:
    data, found = scene(7)
    kept = [0, 3, 4, 8, 11]
    part = replace(data, images=tuple(data.images[number] for number in kept))
    times = np.isin(np.arange(12), kept).astype(np.int64)
    expected = evaluate(part, [found[number] for number in kept])["AP50"]
    assert matched(data, found).ap50(times) == pytest.approx(expected, abs=2e-6)


def test_it_survives_the_disk(tmp_path: Path) -> None:
    matches = matched(*scene(1))
    matches.save(tmp_path / "one.npz")
    again = Matches.load(tmp_path / "one.npz")
    assert again.ap50() == matches.ap50()
    (tmp_path / "one.npz").write_bytes(b"PK no archive")
    with pytest.raises(TrainingError, match="cannot be read"):
        Matches.load(tmp_path / "one.npz")


def test_nothing_found_is_nothing_and_nothing_to_find_is_undefined() -> None:
    data, found = scene(2)
    nothing = [Detections(each.size, each.boxes[:0], each.probs[:, :0]) for each in found]
    assert matched(data, nothing).ap50() == 0
    assert np.isnan(matched(data, found).ap50(np.zeros(12, dtype=np.int64)))
