"""The engine end to end on generated pictures: learn, save, load, predict, go on."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import strategies
from ml_backend.ordering.object_pool import detection_pool
from tests.fakes.progress import silent
from tests.training.detection.blobs import CLASSES, make_folder
from training.data.coco import read_coco
from training.data.detection_set import DetectionSet, grouped, split
from training.data.images import load_rgb
from training.detection import checkpoint as detection_checkpoint
from training.detection.detectron2.rcnn import Detector
from training.detection.detectron2.training import fit, repeat_factors, watched
from training.detection.recipe import Recipe
from training.evaluation.detection import evaluate
from training.geometry.runs import trim
from training.types import TrainingError


@pytest.fixture(scope="module")
def blobs(tmp_path_factory: pytest.TempPathFactory) -> tuple[DetectionSet, DetectionSet]:
    data = grouped(read_coco(make_folder(tmp_path_factory.mktemp("blobs"), 20, size=(96, 96))), "")
    return split(data, 0.25, "test")


@pytest.fixture(scope="module")
def trained(blobs: tuple[DetectionSet, DetectionSet], tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("model") / "checkpoint"
    recipe = Recipe(iterations=70, checks=1, rate=2e-3, zoom=1.0, device="cpu")
    facts = fit(*blobs, out, recipe, silent)
    assert facts["iterations"] == 70
    return out


def test_it_learns_boxes_and_outlines(trained: Path, blobs: tuple[DetectionSet, DetectionSet]) -> None:
    detector = Detector.load(trained, device="cpu", threads=1)
    found = list(detector.predict([image.path for image in blobs[1].images], members=3))
    measured = evaluate(blobs[1], found)
    assert measured["AP50"] > 0.6
    assert measured["masks"]["AP50"] > 0.6
    assert set(measured["per_class"]) == set(CLASSES)
    for image, each in zip(blobs[1].images, found, strict=True):
        regions = len(each.boxes)
        assert each.size == image.size
        assert each.probs.shape == (3, regions, len(CLASSES) + 1)
        np.testing.assert_allclose(each.probs.sum(axis=2), 1, atol=1e-4)
        assert each.columns["box_iou"].shape == each.columns["mask_iou"].shape == (3, regions)
        np.testing.assert_allclose(each.columns["box_iou"][0], 1, atol=1e-4)
        np.testing.assert_allclose(np.linalg.norm(each.columns["vectors"], axis=1), 1, atol=1e-3)
        assert each.masks is not None
        assert len(each.masks) == regions


def test_a_large_image_is_tiled_without_double_objects(trained: Path, blobs: tuple[DetectionSet, DetectionSet]) -> None:
    detector = Detector.load(trained, device="cpu", threads=1)
    images = [next(detector.predict([i.path])) for i in blobs[1].images]
    pixels = [load_rgb(image.path) for image in blobs[1].images[:4]]
    mosaic = np.concatenate([np.concatenate(pixels[:2], axis=1), np.concatenate(pixels[2:], axis=1)])
    detector.plan = replace(detector.plan, tile=48, overlap=32)
    whole = next(detector.predict([mosaic]))
    surely = [int((each.probs[0, :, :-1].max(axis=1, initial=0) > 0.7).sum()) for each in (*images[:4], whole)]
    assert abs(surely[4] - sum(surely[:4])) <= 0.25 * sum(surely[:4]) + 1


def test_the_outline_inside_a_drawn_box(trained: Path, blobs: tuple[DetectionSet, DetectionSet]) -> None:
    detector = Detector.load(trained, device="cpu", threads=1)
    image = next(image for image in blobs[1].images if len(image.boxes))
    pixels = np.pad(load_rgb(image.path), ((300, 300), (500, 500), (0, 0)), constant_values=150)
    found = detector.inside(pixels, image.boxes[0] + (500, 300, 500, 300))
    assert found.size == pixels.shape[:2]
    assert image.masks is not None
    assert found.masks is not None
    drawn, corner = trim(found.masks[0])[1], trim(found.masks[0])[0]
    true, place = trim(image.masks[0])[1], trim(image.masks[0])[0]
    assert np.abs(np.array(corner) - place - (500, 300)).max() <= 3
    assert np.abs(np.array(drawn.shape) - true.shape).max() <= 4
    with pytest.raises(TrainingError, match="less than a pixel"):
        detector.inside(pixels, np.array([-20, -20, -5, -5], dtype=np.float32))


def test_a_pool_of_what_was_found(trained: Path, blobs: tuple[DetectionSet, DetectionSet]) -> None:
    detector = Detector.load(trained, device="cpu", threads=1)
    found = list(detector.predict([image.path for image in blobs[1].images], members=2))
    n = len(found)
    pool = detection_pool(np.arange(n), found, np.zeros(n, dtype=bool), np.arange(n))
    for name in (
        "box_entropy",
        "box_disagreement",
        "mask_disagreement",
        "localisation_stability",
        "ppal",
        "class_quota",
    ):
        assert len(strategies.rank(name, pool, 3, np.random.default_rng(0)).order) == 3


def test_it_goes_on_from_a_checkpoint_with_a_new_class(
    trained: Path, blobs: tuple[DetectionSet, DetectionSet], tmp_path: Path
) -> None:
    before = next(Detector.load(trained, device="cpu").predict([blobs[1].images[0].path]))
    more = DetectionSet(("new", *CLASSES), tuple(replace(i, classes=i.classes + 1) for i in blobs[0].images))
    recipe = Recipe(iterations=1, checks=0, rate=1e-6, device="cpu")
    nothing = DetectionSet(more.classes, ())
    fit(more, nothing, tmp_path / "next", recipe, silent, init=trained)
    after = next(Detector.load(tmp_path / "next", device="cpu").predict([blobs[1].images[0].path]))
    # The same region of both: which of several sure ones comes first is a matter of the last digit.
    same = int(np.abs(after.boxes - before.boxes[0]).sum(axis=1).argmin())
    best_before, best_after = before.probs[0, 0, :-1], after.probs[0, same, :-1]
    assert after.probs.shape[2] == 4
    assert int(best_after.argmax()) == int(best_before.argmax()) + 1
    # A row that knows nothing takes its share of a softmax, no more.
    assert best_after.max() > 0.6 * best_before.max()


@pytest.mark.slow
def test_the_same_seed_gives_the_same_weights(blobs: tuple[DetectionSet, DetectionSet], tmp_path: Path) -> None:
    few = DetectionSet(blobs[0].classes, blobs[0].images[:3])
    nothing = DetectionSet(few.classes, ())
    recipe = Recipe(iterations=2, checks=0, zoom=1.0, device="cpu", seed=3)
    for name in ("a", "b"):
        fit(few, nothing, tmp_path / name, recipe, silent)
    first, second = (detection_checkpoint.read(tmp_path / name)[1] for name in ("a", "b"))
    assert first.keys() == second.keys() > set()
    for name, tensor in first.items():
        np.testing.assert_allclose(tensor.numpy(), second[name].numpy(), rtol=1e-4, atol=1e-5, err_msg=name)


@pytest.mark.slow
def test_unreadable_images_are_left_out_and_named(blobs: tuple[DetectionSet, DetectionSet], tmp_path: Path) -> None:
    broken = tmp_path / "broken.png"
    broken.write_bytes(b"not a picture")
    images = (replace(blobs[0].images[0], path=broken, name="broken.png"), blobs[0].images[1])
    data, nothing = DetectionSet(CLASSES, images), DetectionSet(CLASSES, ())
    recipe = Recipe(iterations=2, checks=0, zoom=1.0, device="cpu")
    facts = fit(data, nothing, tmp_path / "out", recipe, silent)
    assert "broken.png" in facts["unreadable"][0]
    with pytest.raises(TrainingError, match="No training image"):
        fit(DetectionSet(CLASSES, images[:1]), nothing, tmp_path / "none", recipe, silent)


def test_a_damaged_checkpoint_is_a_sentence(trained: Path, tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="There is no detector"):
        Detector.load(tmp_path)
    for file in trained.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes()[:1000])
    with pytest.raises(TrainingError):
        Detector.load(tmp_path)


def test_rare_classes_are_shown_more_often(blobs: tuple[DetectionSet, DetectionSet]) -> None:
    image = blobs[0].images[0]
    only = [replace(image, classes=np.zeros_like(image.classes)) for _ in range(99)]
    rare = replace(image, classes=np.ones_like(image.classes))
    factors = repeat_factors(DetectionSet(CLASSES, (*only, rare)))
    assert (factors[:99] == 1).all()
    assert factors[99] == pytest.approx(np.sqrt(0.3 / 0.01))


def test_checks_look_at_no_more_pixels_than_stated(blobs: tuple[DetectionSet, DetectionSet]) -> None:
    image = replace(blobs[0].images[0], size=(1000, 1000))
    many = DetectionSet(CLASSES, tuple(replace(image, name=str(number)) for number in range(100)))
    assert [each.name for each in watched(many, 1.0).images] == [str(number) for number in range(0, 100, 13)]
    assert len(watched(many, 0.1).images) == 100
    assert len(watched(many, 50.0).images) == 1
