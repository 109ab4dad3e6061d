"""`paploop fit`, `evaluate` and `predict` as a user calls them."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import typer
from PIL import Image
from pycocotools.coco import COCO
from typer.testing import CliRunner

from ml_backend.cli import evaluate, fit, predict
from ml_backend.errors import BadRequest
from tests.training.detection.blobs import CLASSES, make_folder
from training.types import TrainingError


def paploop(*words: Any) -> str:
    app = typer.Typer()
    for module in (fit, evaluate, predict):
        module.register(app)
    result = CliRunner().invoke(app, [str(word) for word in words], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.stdout


@pytest.fixture(scope="module")
def blobs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_folder(tmp_path_factory.mktemp("blobs"), 10, size=(64, 64))


@pytest.fixture(scope="module")
def detector(blobs: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    out = tmp_path_factory.mktemp("detector") / "model"
    return out, json.loads(paploop("fit", blobs, "--out", out, "--steps", 3, "--json"))


def test_fit_of_objects_reports_what_was_held_out(detector: tuple[Path, dict[str, Any]]) -> None:
    _, metrics = detector
    assert metrics["kind"] == "objects"
    assert metrics["training"]["iterations"] == 3
    assert metrics["held_out"]["images"] + metrics["train"]["images"] == 10
    assert {"AP", "AP50", "AP75", "per_class", "masks"} <= set(metrics["held_out"])


def test_evaluate_leaves_out_what_was_trained_on(
    detector: tuple[Path, dict[str, Any]], blobs: Path, tmp_path: Path
) -> None:
    model, metrics = detector
    measured = json.loads(paploop("evaluate", model, blobs, "--json", "--plots", tmp_path / "plots"))
    assert measured["images"] == metrics["held_out"]["images"]
    assert measured["left_out_as_trained_on"] == metrics["train"]["images"]
    assert set(measured["per_class"]) == set(CLASSES)
    assert "AP50" in measured["masks"]["per_class"][CLASSES[0]]
    pictures = {path.name for path in (tmp_path / "plots").iterdir()}
    assert {"precision_recall.png", "precision_recall_masks.png", "worst_01.png"} <= pictures
    everything = json.loads(paploop("evaluate", model, blobs, "--all", "--json"))
    assert everything["images"] == 10
    assert "AP75" in paploop("evaluate", model, blobs)


def test_predict_writes_a_coco_file(detector: tuple[Path, dict[str, Any]], blobs: Path, tmp_path: Path) -> None:
    images = tmp_path / "images"
    shutil.copytree(blobs / "images", images)
    (images / "broken.png").write_bytes(b"nothing")
    report = json.loads(paploop("predict", detector[0], images, "--out", tmp_path / "coco.json", "--json"))
    assert report["images"] == 10
    assert "broken.png" in report["problems"][0]
    coco = COCO(str(tmp_path / "coco.json"))
    for annotation in coco.loadAnns(coco.getAnnIds()):
        assert coco.annToMask(annotation).sum() == annotation["area"]
        assert sum(annotation["probs"]) == pytest.approx(1, abs=1e-3)


def test_fit_goes_on_from_a_model(detector: tuple[Path, dict[str, Any]], blobs: Path, tmp_path: Path) -> None:
    words = ("fit", blobs, "--out", tmp_path / "next", "--init", detector[0], "--steps", 1, "--json")
    assert json.loads(paploop(*words))["training"]["warm_start_tensors"] > 100


@pytest.fixture(scope="module")
def class_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root, rng = tmp_path_factory.mktemp("classes"), np.random.default_rng(0)
    for name, colour in (("red", (200, 60, 60)), ("blue", (60, 60, 200))):
        (root / name).mkdir()
        for index in range(12):
            pixels = np.clip(rng.normal(colour, 20, size=(40, 40, 3)), 0, 255).astype(np.uint8)
            Image.fromarray(pixels).save(root / name / f"{index}.png")
    return root


@pytest.mark.slow
def test_classes_take_the_same_three_commands(class_folder: Path, tmp_path: Path) -> None:
    model = tmp_path / "model"
    metrics = json.loads(paploop("fit", class_folder, "--out", model, "--held-out", 0.4, "--json"))
    assert metrics["kind"] == "classes"
    measured = json.loads(paploop("evaluate", model, class_folder, "--json"))
    assert {"accuracy", "balanced_accuracy", "macro_f1", "per_class"} <= set(measured)
    assert measured["accuracy"] > 0.9
    assert measured["left_out_as_trained_on"] == metrics["train"]["images"]
    report = json.loads(paploop("predict", model, class_folder, "--out", tmp_path / "coco.json", "--json"))
    assert report["regions"] == 24
    content = json.loads((tmp_path / "coco.json").read_text())
    assert content["annotations"][0]["bbox"] == [0, 0, 40, 40]
    assert "macro_f1" in paploop("evaluate", model, class_folder)


def test_wrong_folders_are_sentences(
    detector: tuple[Path, dict[str, Any]], class_folder: Path, blobs: Path, tmp_path: Path
) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(TrainingError, match="neither a class folder"):
        paploop("fit", tmp_path / "empty", "--out", tmp_path / "out")
    with pytest.raises(TrainingError, match="no folder"):
        paploop("fit", tmp_path / "missing", "--out", tmp_path / "out")
    with pytest.raises(TrainingError, match="no model"):
        paploop("evaluate", tmp_path / "empty", blobs)
    with pytest.raises(BadRequest, match="This model finds objects"):
        paploop("evaluate", detector[0], class_folder)
    with pytest.raises(TrainingError, match="no image"):
        paploop("predict", detector[0], tmp_path / "empty", "--out", tmp_path / "coco.json")
    (tmp_path / "half" / "images").mkdir(parents=True)
    with pytest.raises(TrainingError, match=r"has no annotations\.json"):
        paploop("fit", tmp_path / "half", "--out", tmp_path / "out")
