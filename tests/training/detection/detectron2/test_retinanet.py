"""One stage instead of two: the same training, the same answers, boxes alone."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from tests.fakes.progress import silent
from tests.training.detection.blobs import CLASSES, make_folder
from training.data.coco import read_coco
from training.data.detection_set import DetectionSet
from training.data.images import load_rgb
from training.detection import checkpoint as detection_checkpoint
from training.detection.detectron2 import bridge as d2
from training.detection.detectron2.network import build
from training.detection.detectron2.rcnn import Detector
from training.detection.detectron2.retinanet import distribution
from training.detection.detectron2.training import fit
from training.detection.plan import from_json, plan_for
from training.detection.recipe import Recipe
from training.device import pick_device
from training.types import TrainingError

RECIPE = Recipe(iterations=25, checks=0, rate=1e-3, zoom=1.0, stages=1, device="cpu")


@pytest.fixture(scope="module")
def blobs(tmp_path_factory: pytest.TempPathFactory) -> DetectionSet:
    return read_coco(make_folder(tmp_path_factory.mktemp("blobs"), 8, size=(64, 64)))


@pytest.fixture(scope="module")
def trained(blobs: DetectionSet, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("model") / "checkpoint"
    facts = fit(blobs, DetectionSet(CLASSES, ()), out, RECIPE, silent)
    assert facts["loss"] < 2.0
    return out


def test_the_answer_has_the_form_of_the_two_stage_one(trained: Path, blobs: DetectionSet) -> None:
    detector = Detector.load(trained, device="cpu", threads=1)
    assert (detector.plan.stages, detector.plan.masks) == (1, False)
    found = next(detector.predict([blobs.images[0].path], members=3))
    regions = len(found.boxes)
    assert regions
    assert found.masks is None
    assert found.probs.shape == (3, regions, len(CLASSES) + 1)
    np.testing.assert_allclose(found.probs.sum(axis=2), 1, atol=1e-4)
    assert found.columns["box_iou"].shape == (3, regions)
    assert found.columns["box_iou"][1:].mean() > 0.5, "mirrored views see the same boxes"
    np.testing.assert_allclose(np.linalg.norm(found.columns["vectors"], axis=1), 1, atol=1e-3)


def test_given_places_are_judged(trained: Path, blobs: DetectionSet) -> None:
    detector = Detector.load(trained, device="cpu", threads=1)
    image = next(image for image in blobs.images if len(image.boxes))
    inside = detector.inside(load_rgb(image.path), image.boxes[0])
    np.testing.assert_allclose(inside.boxes[0], image.boxes[0], atol=1e-3)
    x, y = (image.boxes[0][:2] + image.boxes[0][2:]) / 2
    assert detector.at(load_rgb(image.path), [(float(x), float(y))]).boxes.shape == (1, 4)


def test_independent_sigmoids_become_one_class_or_none() -> None:
    probs = distribution(torch.tensor([[0.5, 0.5], [0.9, 0.0], [0.0, 0.0]]))
    np.testing.assert_allclose(
        probs.numpy(), np.array([[1 / 3, 1 / 3, 1 / 3], [0.9, 0.0, 0.1], [0.0, 0.0, 1.0]]), atol=1e-4
    )


def test_unknown_places_teach_nothing(blobs: DetectionSet) -> None:
    plan = plan_for(blobs, zoom=1.0, stages=1)
    network: Any = build(plan, pick_device("cpu"), pretrained=False)
    anchors = network.anchor_generator([torch.zeros(1, 1, 64 // s, 64 // s) for s in (4, 8, 16, 32)])
    truth = d2.Instances((64, 64))
    truth.gt_boxes, truth.gt_classes = d2.Boxes(torch.zeros(0, 4)), torch.zeros(0, dtype=torch.int64)
    truth._ignore, truth._checked = torch.zeros(0, 4), torch.tensor([[0.0, 0.0, 32.0, 64.0]])
    labels = network.label_anchors(anchors, [truth])[0][0]
    every = d2.Boxes.cat(anchors).tensor
    right = (every[:, 0] + every[:, 2]) / 2 >= 32
    assert (labels[right] == -1).all()
    assert (labels[~right] == len(CLASSES)).all()


def test_it_goes_on_with_other_classes(trained: Path, blobs: DetectionSet, tmp_path: Path) -> None:
    more = DetectionSet(("new", *CLASSES), tuple(replace(i, classes=i.classes + 1) for i in blobs.images))
    slow = replace(RECIPE, iterations=1, rate=1e-7, stages=2)
    fit(more, DetectionSet(more.classes, ()), tmp_path / "next", slow, silent, init=trained)
    plan, after, _ = detection_checkpoint.read(tmp_path / "next")
    assert plan.stages == 1, "what is gone on from decides"
    before = detection_checkpoint.read(trained)[1]["head.cls_score.weight"]
    rows = after["head.cls_score.weight"].view(-1, 3, *before.shape[1:])[:, 1:]
    np.testing.assert_allclose(rows.reshape(before.shape).numpy(), before.numpy(), atol=1e-4)


def test_plans_from_before_have_two_stages(blobs: DetectionSet) -> None:
    fields = plan_for(blobs).to_json()
    del fields["stages"]
    assert from_json(fields).stages == 2
    with pytest.raises(TrainingError, match="not 3"):
        plan_for(blobs, stages=3)
