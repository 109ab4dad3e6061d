"""COCO measurements on answers whose score is known."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from training.data.detection_set import DetectionSet, LabelledImage
from training.evaluation.detection import curves, evaluate, scored
from training.evaluation.detection_pictures import errors
from training.geometry.runs import from_window
from training.types import Detections, FloatArray, TrainingError

SIZE = (200, 300)
CLASSES = ("a", "b")


def image(boxes: list[list[float]], classes: list[int], **more: object) -> LabelledImage:
    array = np.array(boxes, dtype=np.float32).reshape(-1, 4)
    masks = tuple(mask_of(box) for box in array)
    base = LabelledImage(Path("x.png"), "x.png", SIZE, array, np.array(classes, dtype=np.int64), masks)
    return replace(base, **more)  # type: ignore[arg-type]


def mask_of(box: FloatArray) -> dict[str, object]:
    x1, y1, x2, y2 = (int(value) for value in box)
    return from_window(np.ones((y2 - y1, x2 - x1), dtype=np.uint8), (x1, y1), SIZE)


def answer(boxes: list[list[float]], classes: list[int], scores: list[float]) -> Detections:
    array = np.array(boxes, dtype=np.float32).reshape(-1, 4)
    probs = np.zeros((1, len(boxes), 3), dtype=np.float32)
    for index, (number, score) in enumerate(zip(classes, scores, strict=True)):
        probs[0, index, number], probs[0, index, 2] = score, 1 - score
    return Detections(SIZE, array, probs, [mask_of(box) for box in array])


BOXES = [[10, 10, 60, 60], [100, 100, 140, 150]]


def test_a_perfect_answer_scores_one_everywhere() -> None:
    measured = evaluate(DetectionSet(CLASSES, (image(BOXES, [0, 1]),)), [answer(BOXES, [0, 1], [0.9, 0.8])])
    for part in (measured, measured["masks"]):
        assert part["AP"] == part["AP50"] == part["AP75"] == part["AP_medium"] == 1
        assert part["AP_small"] is None
        assert part["per_class"]["a"] == {"AP": 1, "AP50": 1, "objects": 1}
    assert measured["max_detections"] == 100


def test_a_missing_class_and_a_wrong_class_cost_what_they_should() -> None:
    data = DetectionSet((*CLASSES, "never"), (image(BOXES, [0, 1]),))
    found = answer(BOXES, [0, 0], [0.5, 0.9])
    found = replace(found, probs=np.insert(found.probs, 2, 0, axis=2))
    measured = evaluate(data, [found])
    # The wrong one stands first: precision of class a is 1 / 2 at full recall.
    assert measured["per_class"]["a"]["AP50"] == pytest.approx(0.5)
    assert measured["per_class"]["b"]["AP50"] == 0
    assert measured["per_class"]["never"]["AP50"] is None
    assert measured["AP50"] == pytest.approx(0.25)


def test_nothing_found_is_zero_and_nothing_labeled_is_refused() -> None:
    nothing = answer([], [], [])
    assert evaluate(DetectionSet(CLASSES, (image(BOXES, [0, 1]),)), [nothing])["AP50"] == 0
    with pytest.raises(TrainingError, match="No object is labeled"):
        evaluate(DetectionSet(CLASSES, (image([], []),)), [nothing])
    with pytest.raises(TrainingError, match="1 images but 0 predictions"):
        evaluate(DetectionSet(CLASSES, (image(BOXES, [0, 1]),)), [])


def test_ignore_regions_and_unchecked_places_do_not_count() -> None:
    found = answer([BOXES[0], [200, 20, 250, 60]], [0, 0], [0.4, 0.9])
    plain = evaluate(DetectionSet(CLASSES, (image(BOXES[:1], [0]),)), [found])
    assert plain["AP50"] == pytest.approx(0.5)
    ignore = np.array([[190, 10, 260, 70]], dtype=np.float32)
    ignored = evaluate(DetectionSet(CLASSES, (image(BOXES[:1], [0], ignore=ignore),)), [found])
    assert ignored["AP50"] == ignored["masks"]["AP50"] == 1
    checked = np.array([[0, 0, 100, 100]], dtype=np.float32)
    assert evaluate(DetectionSet(CLASSES, (image(BOXES[:1], [0], checked=checked),)), [found])["AP50"] == 1


@pytest.mark.slow
def test_the_limit_of_detections_follows_crowded_images() -> None:
    corners = np.stack(np.meshgrid(np.arange(0, 300, 10), np.arange(0, 200, 10)), axis=-1).reshape(-1, 2)[:150]
    boxes = np.concatenate([corners, corners + 8], axis=1).astype(float).tolist()
    measured = evaluate(DetectionSet(CLASSES, (image(boxes, [0] * 150),)), [answer(boxes, [0] * 150, [0.9] * 150)])
    assert measured["max_detections"] == 150
    assert measured["recall"] == measured["AP"] == 1


def test_curves_and_errors() -> None:
    truth, found = image(BOXES, [0, 1]), answer([*BOXES, [200, 20, 250, 60]], [0, 0, 0], [0.9, 0.8, 0.3])
    a, b = curves(DetectionSet(CLASSES, (truth,)), [found])
    assert a.precision[0] == pytest.approx(1)
    assert (b.precision == 0).all()
    judged = errors(truth, found)
    assert (judged.missed, judged.extra) == (1, 1)
    assert judged.matched == (0, -1, -2)
    assert scored(found)[1].tolist() == [0, 0, 0]
