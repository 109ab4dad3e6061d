"""Several processes of torchrun train one network."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from tests.training.detection.blobs import make_folder
from training.detection.checkpoint import read
from training.detection.processes import Group, joined

TORCHRUN = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node=2"]

SCRIPT = """
import sys
from pathlib import Path
import torch
from training.data.coco import read_coco
from training.data.detection_set import DetectionSet
from training.detection.detectron2 import training as engine

data = read_coco(Path(sys.argv[1]))
last = []
copied = engine.weights_of
engine.weights_of = lambda network: last.append(copied(network)) or last[-1]
recipe = engine.Recipe(iterations=3, checks=0, zoom=1.0, batch=1, stages=1, device="cpu")
facts = engine.fit(data, DetectionSet(data.classes, ()), Path(sys.argv[2]), recipe, lambda fraction, message: None)
total = sum(float(tensor.double().abs().sum()) for tensor in last[-1].values())
(Path(sys.argv[2]).parent / f"rank{facts['rank']}").write_text(f"{total!r} {facts['processes']} {facts['loss']}")
"""


def test_one_process_needs_no_other() -> None:
    with joined(torch.device("cpu")) as group:
        assert group == Group(0, 1)
        assert group.agree(7, torch.device("cpu")) == 7
        layer = torch.nn.Linear(2, 1)
        group.share(layer)
        group.average(layer.parameters())
        assert layer.weight.grad is None


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_folder(tmp_path_factory.mktemp("blobs"), 6, size=(64, 64))


def run(*words: str | Path) -> str:
    command = [*TORCHRUN, *map(str, words)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=900, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout


@pytest.mark.slow
def test_two_processes_hold_the_same_weights_after_different_steps(data: Path, tmp_path: Path) -> None:
    (tmp_path / "script.py").write_text(SCRIPT)
    run(tmp_path / "script.py", data, tmp_path / "model")
    first, second = ((tmp_path / f"rank{rank}").read_text().split() for rank in (0, 1))
    assert first[:2] == second[:2], "the same weights in both"
    assert first[1] == "2"
    assert first[2] != second[2], "each saw pictures of its own"


@pytest.mark.slow
def test_the_command_under_torchrun_answers_once(data: Path, tmp_path: Path) -> None:
    out = tmp_path / "model"
    answer = run("-m", "ml_backend.cli", "fit", data, "--out", out, "--steps", "2", "--json")
    metrics = json.loads(answer)
    assert (metrics["training"]["processes"], metrics["training"]["rank"]) == (2, 0)
    assert metrics["held_out"]["images"] >= 1
    assert read(out / "checkpoint")[2]["iterations"] == 2
