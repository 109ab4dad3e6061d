"""Crops, mirrors and masks that the network is fed stay in register with the pixels."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from tests.training.detection.blobs import draw
from training.data.detection_set import DetectionSet, LabelledImage
from training.detection.detectron2 import bridge as d2
from training.detection.detectron2.masks import ChipMasks
from training.detection.detectron2.rcnn import drawn
from training.detection.detectron2.unknown import unknown_places
from training.detection.plan import from_json, plan_for
from training.detection.views import Cache, Source
from training.geometry.runs import window
from training.types import TrainingError


@pytest.fixture
def blob(tmp_path: Path) -> LabelledImage:
    return draw(np.random.default_rng(1), (150, 200), 12, tmp_path / "a.png")


@pytest.mark.parametrize("zoom", [0.5, 1.0, 2.3])
def test_masks_follow_the_pixels_through_every_turn(blob: LabelledImage, zoom: float) -> None:
    source, looked_at = Source(blob, zoom, True, Cache()), 0
    for seed in range(12):
        view = source.view(160, np.random.default_rng(seed))
        assert view.pixels.shape[0] <= 160
        assert view.pixels.shape[1] <= 160
        assert view.chips is not None
        for box, number, chip in zip(view.boxes, view.classes, view.chips, strict=True):
            x1, y1, x2, y2 = (round(float(value)) for value in box)
            inside = view.pixels[y1:y2, x1:x2].mean(axis=2)
            if min(inside.shape) < 8 or chip.mean() < 128:
                continue
            middle = inside[inside.shape[0] // 4 : -inside.shape[0] // 4, inside.shape[1] // 4 : -inside.shape[1] // 4]
            assert (middle.mean() < 140) == (number == 0)
            looked_at += 1
    assert looked_at > 12


def test_what_finds_no_room_is_decoded_again(blob: LabelledImage) -> None:
    kept, again = Source(blob, 1.0, True, Cache()), Source(blob, 1.0, True, Cache(0))
    first, second = (source.view(64, np.random.default_rng(3)) for source in (kept, again))
    np.testing.assert_array_equal(first.pixels, second.pixels)
    blob.path.unlink()
    kept.view(64, np.random.default_rng(3))
    with pytest.raises(TrainingError):
        again.view(64, np.random.default_rng(3))


def test_cut_objects_are_ignored_below_the_visible_share(blob: LabelledImage) -> None:
    lonely = replace(
        blob,
        boxes=np.array([[90, 60, 130, 80]], dtype=np.float32),
        classes=np.zeros(1, dtype=np.int64),
        masks=None,
        checked=np.array([[0, 0, 100, 100]], dtype=np.float32),
    )
    source, seen = Source(lonely, 1.0, False, Cache()), set()
    for seed in range(40):
        view = source.view(100, np.random.default_rng(seed), augment=False)
        assert view.checked is not None
        widths = (view.boxes[:, 2] - view.boxes[:, 0]).tolist() + [0.0] * (1 - len(view.boxes))
        assert widths[0] == 0 or widths[0] >= 0.39 * 40
        seen.add((len(view.boxes), len(view.ignore)))
    assert (1, 0) in seen


def test_a_mask_drawn_from_the_target_is_the_mask(blob: LabelledImage) -> None:
    view = Source(blob, 1.0, True, Cache()).view(400, np.random.default_rng(0), augment=False)
    assert view.chips is not None
    assert blob.masks is not None
    targets = ChipMasks(torch.tensor(view.chips).float() / 255, torch.tensor(view.chip_boxes))
    crops = targets.crop_and_resize(torch.tensor(view.boxes), 28).numpy()
    for crop, box, runs in zip(crops, blob.boxes, blob.masks, strict=True):
        first = window(runs, (0, 0, 200, 150))
        second = window(drawn(crop, box, (150, 200)), (0, 0, 200, 150))
        assert (first & second).sum() / (first | second).sum() > 0.93


def test_places_that_nobody_checked_are_unknown() -> None:
    truth = d2.Instances((100, 100))
    truth._ignore = torch.tensor([[50.0, 50.0, 70.0, 70.0]])
    truth._checked = None
    boxes = torch.tensor([[52.0, 52.0, 60.0, 60.0], [40.0, 40.0, 60.0, 60.0], [0.0, 0.0, 9.0, 9.0]])
    assert unknown_places(boxes, truth).tolist() == [True, False, False]
    truth._checked = torch.tensor([[0.0, 0.0, 20.0, 20.0]])
    assert unknown_places(boxes, truth).tolist() == [True, True, False]


def test_the_plan_follows_the_objects(blob: LabelledImage) -> None:
    plan = plan_for(DetectionSet(("a", "b"), (blob,)))
    assert plan.masks
    assert from_json(plan.to_json()) == plan
    large = replace(blob, boxes=blob.boxes * 10, size=(1500, 2000), masks=None)
    wide = plan_for(DetectionSet(("a", "b"), (large,)))
    assert wide.zoom == pytest.approx(plan.zoom / 10, rel=1e-3)
    assert wide.anchors == plan.anchors
    assert wide.overlap < wide.tile
    crowd = replace(large, boxes=np.tile(large.boxes, (40, 1)), classes=np.tile(large.classes, 40))
    assert plan_for(DetectionSet(("a", "b"), (crowd,))).objects > 100
    with pytest.raises(TrainingError, match="No object is labeled"):
        plan_for(DetectionSet(("a",), (replace(blob, boxes=blob.boxes[:0]),)))
    with pytest.raises(TrainingError, match="backbone"):
        plan_for(DetectionSet(("a",), (blob,)), backbone="vgg")
    with pytest.raises(TrainingError, match="plan is damaged"):
        from_json({"classes": 3})


def test_the_shims_may_be_put_in_place_twice() -> None:
    d2.prepare()
    d2.prepare()
