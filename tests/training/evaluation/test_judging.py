"""Candidate against incumbent detector, and the manifest they are measured by."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.fakes.progress import silent
from training.data.detection_set import DetectionSet, LabelledImage
from training.data.object_manifest import ObjectSample, detection_sets, read_object_manifest, write_object_manifest
from training.evaluation import detection_promotion
from training.evaluation.detection import evaluate
from training.evaluation.detection_promotion import judge_detectors
from training.geometry.runs import from_window
from training.jobs.objects import train_objects
from training.types import Detections, TrainingError

SIZE = (60, 80)
CLASSES = ("a", "b")


def truth(images: int, objects: int = 4, seed: int = 0) -> DetectionSet:
    rng = np.random.default_rng(seed)
    made = []
    for number in range(images):
        corners = rng.uniform(0, 40, size=(objects, 2))
        boxes = np.concatenate([corners, corners + rng.uniform(8, 18, size=(objects, 2))], axis=1).astype(np.float32)
        classes = rng.integers(2, size=objects)
        made.append(LabelledImage(Path(f"{number}.png"), f"{number}.png", SIZE, boxes, classes, group=f"g{number}"))
    return DetectionSet(CLASSES, tuple(made))


def answers(data: DetectionSet, hit: float, seed: int, *, wrong: int = 1) -> list[Detections]:
    """A detector that finds a share of the objects and some that are not there."""
    rng = np.random.default_rng(seed)
    found = []
    for image in data.images:
        seen = rng.random(len(image.boxes)) < hit
        boxes = np.concatenate([image.boxes[seen], rng.uniform(0, 30, (wrong, 4)) + np.array([0, 0, 31, 31])])
        scores = np.concatenate([rng.uniform(0.5, 1, seen.sum()), rng.uniform(0.1, 0.6, wrong)])
        labels = np.concatenate([image.classes[seen], rng.integers(2, size=wrong)]).astype(int)
        probs = np.zeros((1, len(boxes), 3), dtype=np.float32)
        probs[0, np.arange(len(boxes)), labels] = scores
        probs[0, :, 2] = 1 - scores
        found.append(Detections(image.size, boxes.astype(np.float32), probs))
    return found


def test_a_first_model_is_promoted_with_its_score() -> None:
    data = truth(12)
    verdict = judge_detectors(data, answers(data, 0.8, 1), None, seed=0)
    assert verdict.decision == "promoted"
    assert "First model: AP50 of boxes 0." in verdict.reason
    low, high = verdict.evidence["candidate_interval"]
    assert low <= verdict.evidence["candidate"]["AP50"] <= high


@pytest.mark.slow
@given(
    images=st.integers(1, 12),
    new=st.floats(0, 1),
    old=st.floats(0, 1),
    seed=st.integers(0, 50),
)
@settings(max_examples=25, deadline=None, derandomize=True)
def test_a_worse_detector_is_never_promoted(images: int, new: float, old: float, seed: int) -> None:
    data = truth(images, seed=seed)
    candidate, incumbent = answers(data, new, seed), answers(data, old, seed + 1)
    verdict = judge_detectors(data, candidate, incumbent, seed=seed, samples=30)
    before, after = evaluate(data, incumbent)["AP50"], evaluate(data, candidate)["AP50"]
    if verdict.decision == "promoted":
        assert after >= before
        assert not verdict.evidence["classes_given_up"]
    if after < before:
        assert verdict.decision == "kept"
    json.dumps(verdict.evidence, allow_nan=False)


def test_the_same_model_again_is_kept() -> None:
    data = truth(6)
    found = answers(data, 0.7, 3)
    verdict = judge_detectors(data, found, found, seed=0, samples=50)
    assert verdict.decision == "kept"
    assert "no better" in verdict.reason
    assert verdict.evidence["too_little_evidence"]


@pytest.mark.slow
def test_a_clear_gain_is_beyond_chance_and_a_lost_class_is_named() -> None:
    data = truth(25)
    good, poor = answers(data, 0.98, 1, wrong=0), answers(data, 0.4, 2, wrong=2)
    better = judge_detectors(data, good, poor, seed=0)
    assert (better.decision, better.evidence["too_little_evidence"]) == ("promoted", False)
    assert "beyond chance" in better.reason
    # All of class a, nothing of class b: better on the mean than the poor one, and yet no model to serve.
    blind = []
    for each in good:
        keep = each.probs[0].argmax(axis=1) == 0
        blind.append(replace(each, boxes=each.boxes[keep], probs=each.probs[:, keep]))
    verdict = judge_detectors(data, blind, poor, seed=0)
    assert verdict.decision == "kept"
    assert "gives up AP50 of b" in verdict.reason


def test_nothing_to_measure_on() -> None:
    data = truth(2, objects=0)
    found = answers(data, 1.0, 0)
    assert judge_detectors(data, found, None, seed=0).decision == "promoted"
    assert judge_detectors(data, found, found, seed=0).decision == "kept"


def test_a_missing_measurement_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    data = truth(3)
    found = answers(data, 0.5, 0)
    with pytest.raises(TrainingError, match="3 images but 2 predictions"):
        judge_detectors(data, found[:2], None, seed=0)
    real = evaluate(data, found)
    monkeypatch.setattr(detection_promotion, "evaluate", lambda *_: real | {"AP50": None})
    with pytest.raises(TrainingError, match="not a number"):
        judge_detectors(data, found, None, seed=0)


def sample(number: int, split: str, group: str, *, masks: bool = True) -> ObjectSample:
    mask: Any = from_window(np.ones((5, 6), np.uint8), (2, 3), SIZE) if masks else None
    return ObjectSample(
        id=number,
        split=split,
        path=Path(f"/images/{number}.png"),
        size=SIZE,
        group=group,
        boxes=np.array([[2, 3, 8, 8]], dtype=np.float32),
        classes=np.array([1]),
        masks=(mask,),
        ignore=np.array([[0, 0, 2, 2]], dtype=np.float32),
        checked=np.array([[0, 0, 40, 40]], dtype=np.float32) if number % 2 else None,
    )


def test_the_manifest_comes_back_as_written(tmp_path: Path) -> None:
    samples = [sample(1, "train", "x"), sample(2, "validation", "ü")]
    write_object_manifest(tmp_path / "m.jsonl", samples)
    again = read_object_manifest(tmp_path / "m.jsonl")
    assert [(s.id, s.split, s.group, s.path, s.size, s.masks) for s in again] == [
        (s.id, s.split, s.group, s.path, s.size, s.masks) for s in samples
    ]
    assert (again[0].checked is None, again[1].checked is None) == (False, True)
    train, validation, ids = detection_sets(again, CLASSES)
    assert (len(train.images), len(validation.images), ids) == (1, 1, [2])
    assert train.has_masks
    assert train.images[0].masks == samples[0].masks


def test_objects_with_a_box_alone_are_left_out_where_most_have_an_outline() -> None:
    samples = [sample(n, "train", f"g{n}") for n in range(3)] + [sample(9, "validation", "v", masks=False)]
    train, validation, _ = detection_sets(samples, CLASSES)
    assert train.has_masks
    assert len(validation.images[0].boxes) == 0
    assert len(validation.images[0].ignore) == 2
    assert "1 of 4 objects have no outline" in train.problems[0]


def test_a_group_on_both_sides_is_refused() -> None:
    with pytest.raises(TrainingError, match="is in both training and validation"):
        detection_sets([sample(1, "train", "x"), sample(2, "validation", "x")], CLASSES)


@pytest.mark.parametrize("line", ["{", "[]", '{"id": 1}', '{"split": "test"}'])
def test_a_damaged_manifest_names_its_line(line: str, tmp_path: Path) -> None:
    write_object_manifest(tmp_path / "m.jsonl", [sample(1, "train", "x")])
    with (tmp_path / "m.jsonl").open("a") as file:
        file.write(line + "\n")
    with pytest.raises(TrainingError, match=r"Line 2 of the manifest m\.jsonl"):
        read_object_manifest(tmp_path / "m.jsonl")


def test_a_job_that_cannot_be_done_says_why(tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match=r"request\.json cannot be read"):
        train_objects(tmp_path, silent)
    (tmp_path / "request.json").write_text('{"classes": []}')
    with pytest.raises(TrainingError, match="has no classes"):
        train_objects(tmp_path, silent)
    (tmp_path / "request.json").write_text('{"classes": ["a", "b"], "steps": "many"}')
    write_object_manifest(tmp_path / "objects.jsonl", [sample(1, "train", "x")])
    with pytest.raises(TrainingError, match="wrong kind"):
        train_objects(tmp_path, silent)
