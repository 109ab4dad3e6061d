"""Where models compute: with the threads of the settings, and on a GPU in workers only."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from ml_backend.predictions.classifiers import predict_items
from ml_backend.predictions.first_use import FirstUse, Wanted
from ml_backend.services import Services
from ml_backend.state.records import NewItem
from tests.ml_backend.web.conftest import Loop, WebWorld, make_settings
from tests.ml_backend.web.test_first_use import Model, store_vectors
from training.detection import checkpoint as detection_checkpoint
from training.detection.detectron2.network import build
from training.detection.plan import Plan


def test_the_worker_loads_it_with_the_threads_of_the_settings(
    world: WebWorld, loop: Loop, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    services = Services(make_settings(tmp_path / "data", threads=3), world.store, world.services.files)
    told: list[int] = []
    monkeypatch.setattr(
        "ml_backend.predictions.classifiers.load_model", lambda folder, threads: told.append(threads) or Model()
    )
    store_vectors(world)
    world.store.runs.update(loop.run, request={"encoder": "fake"})
    probs, classes = predict_items(services.models, services.images, loop.run, world.store.items.all(3)[:2], "fake")
    assert (told, probs.shape, classes) == ([3], (2, 2), ("Cat", "Dog"))


def test_a_detector_stays_on_the_cpu_whatever_the_machine_has(
    world: WebWorld, loop: Loop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """CUDA starts in workers only: here it would take memory from them, and fail after a fork."""
    plan = Plan(("Cat", "Dog"), False, "lite0", 1.0, 64, 32, (16.0, 32.0, 64.0, 128.0), (1.0,), objects=10)
    weights = build(plan, torch.device("cpu"), pretrained=False).state_dict()
    detection_checkpoint.save(world.services.files.run_dir(loop.run) / "checkpoint", plan, weights, {})
    world.store.runs.update(loop.run, request={"task": "objects"})
    path = tmp_path / "a.png"
    Image.fromarray(np.zeros((40, 50, 3), np.uint8)).save(path)
    item = NewItem(source=str(path), data={"root": str(tmp_path), "name": path.name})
    (row,) = world.store.items.add(3, [item], 1.0)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    wanted = Wanted(0, None, world.store.items.one(row), "")
    classes, found = FirstUse(
        world.services.models, world.services.images, world.services.settings, timer=lambda: 0.0
    ).predict(loop.run, [wanted], until=1.0, note=lambda _word, _why, _count: None)
    assert (tuple(classes), list(found)) == (("Cat", "Dog"), [0])
    assert not torch.cuda.is_initialized()
