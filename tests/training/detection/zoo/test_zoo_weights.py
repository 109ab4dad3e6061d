"""Weights of the model zoo: numbers and text come through, programs do not."""

from __future__ import annotations

import contextlib
import io
import os
import pickle
from collections import OrderedDict
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
from training.detection.detectron2.network import build
from training.detection.detectron2.rcnn import Detector
from training.detection.detectron2.training import fit
from training.detection.plan import ZOO, Plan
from training.detection.recipe import Recipe
from training.detection.zoo import weights as zoo_weights
from training.detection.zoo.pickles import read_plain
from training.device import pick_device
from training.types import TrainingError

PLAN = Plan(CLASSES, False, ZOO, 1.0, 320, 64, (16.0, 32.0, 64.0, 128.0), (1.0,), 100, channels=256)


def same(first: Any, second: Any) -> None:
    if isinstance(second, dict):
        assert list(first) == list(second)
        for key in second:
            same(first[key], second[key])
    elif isinstance(second, list | tuple):
        assert len(first) == len(second)
        for one, two in zip(first, second, strict=True):
            same(one, two)
    elif isinstance(second, np.ndarray | np.generic):
        np.testing.assert_array_equal(first, second)
        assert first.dtype == second.dtype
    else:
        assert first == second


@pytest.mark.parametrize("protocol", range(6))
def test_numbers_and_text_come_through_every_protocol(protocol: int) -> None:
    shared = np.arange(6, dtype=np.float32).reshape(2, 3)
    content = {
        "model": OrderedDict([("a.weight", shared), ("again", shared), ("order", np.asfortranarray(shared))]),
        "kinds": [
            np.zeros((0, 4), np.int64),
            np.array(3.5),
            np.array([1, 255], np.uint8),
            np.array([True]),
            np.float64(2.5),
        ],
        "big endian": np.arange(3, dtype=">i4"),
        "rest": (1, -(2**40), 2.5, None, True, False, "ü", b"bytes", (), (1,), (1, 2), [[]], {1: "one"}),
    }
    if protocol == 5:
        # Arrays of protocol 5 come by another name, which the zoo never uses.
        content = {"rest": content["rest"]}
    same(read_plain(io.BytesIO(pickle.dumps(content, protocol=protocol))), content)


class Runs:
    """What is pickled as a program."""

    def __init__(self, function: Any, *arguments: Any) -> None:
        self.call = function, arguments

    def __reduce__(self) -> Any:
        return self.call


@pytest.mark.parametrize("protocol", [0, 2, 4])
def test_a_program_in_the_file_is_not_run(tmp_path: Path, protocol: int) -> None:
    trap = tmp_path / "trap"
    for program in (Runs(os.system, f"touch {trap}"), Runs(eval, f"open({str(trap)!r}, 'w')"), Runs(Path, "x")):
        wicked = {"model": {"a": np.zeros(3)}, "__author__": program}
        with pytest.raises(TrainingError, match="accepts only numbers and text"):
            read_plain(io.BytesIO(pickle.dumps(wicked, protocol=protocol)))
        assert not trap.exists()
    assert pickle.loads(pickle.dumps(Runs(len, "four"))) == 4, "the test's own programs do run"


@pytest.mark.parametrize(
    "content",
    [
        np.array([{"a": 1}], dtype=object),
        torch.zeros(1),
        print,
        {1, 2},
        np.array(["text"]),
        np.zeros(2, dtype=[("a", "f4")]),
    ],
)
def test_what_is_neither_number_nor_text_is_refused(content: Any) -> None:
    with pytest.raises(TrainingError, match="The weights file"):
        read_plain(io.BytesIO(pickle.dumps(content, protocol=2)))


def test_damaged_files_are_a_sentence() -> None:
    whole = pickle.dumps({"model": {"a": np.arange(50.0)}}, protocol=3)
    rng = np.random.default_rng(0)
    broken = [whole[:length] for length in range(0, len(whole) - 1, 7)]
    for _ in range(300):
        bytes_ = bytearray(whole)
        bytes_[rng.integers(len(whole))] = rng.integers(256)
        broken.append(bytes(bytes_))
    for each in broken:
        # Some damage only changes a number; whatever else happens is a sentence.
        with contextlib.suppress(TrainingError):
            read_plain(io.BytesIO(each))


@pytest.fixture(scope="module")
def zoo_file(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    """A file like the zoo's of a network like the zoo's, with other heads."""
    torch.manual_seed(7)
    other: Any = build(Plan(("a", "b", "c"), *tuple(vars(PLAN).values())[1:]), pick_device("cpu"))
    model = {name: tensor.numpy() for name, tensor in other.state_dict().items()}
    path = tmp_path_factory.mktemp("zoo") / "model_final.pkl"
    path.write_bytes(pickle.dumps({"model": model, "__author__": "zoo"}, protocol=2))
    return path, model


@pytest.mark.slow
def test_a_network_starts_from_weights_of_the_zoo(tmp_path: Path, zoo_file: tuple[Path, dict[str, Any]]) -> None:
    file, model = zoo_file
    torch.manual_seed(1)
    network: Any = build(PLAN, pick_device("cpu"))
    assert zoo_weights.fill(network, str(file)) >= 250
    own = network.state_dict()
    first = model[zoo_weights.FIRST_LAYER]
    np.testing.assert_array_equal(own[zoo_weights.FIRST_LAYER].numpy(), first[:, ::-1], err_msg="red, green, blue")
    deep = "backbone.bottom_up.res4.2.conv3.norm.running_var"
    np.testing.assert_array_equal(own[deep].numpy(), model[deep])
    with pytest.raises(TrainingError, match="SHA-256"):
        zoo_weights.fill(network, str(file), "00" * 32)
    other = tmp_path / "other.pkl"
    other.write_bytes(pickle.dumps({"model": {"a": np.zeros(3)}}))
    with pytest.raises(TrainingError, match="fit a ResNet-50"):
        zoo_weights.fill(network, str(other))
    other.write_bytes(pickle.dumps({"blobs": {}}))
    with pytest.raises(TrainingError, match="Detectron2's names"):
        zoo_weights.fill(network, str(other))


@pytest.mark.slow
def test_training_goes_on_from_them_and_never_without(tmp_path: Path, zoo_file: tuple[Path, dict[str, Any]]) -> None:
    data = read_coco(make_folder(tmp_path / "data", 2, size=(64, 64), masks=False))
    nothing = DetectionSet(data.classes, ())
    recipe = Recipe(iterations=1, checks=0, zoom=1.0, batch=1, backbone=ZOO, device="cpu")
    with pytest.raises(TrainingError, match="such weights need that backbone"):
        fit(data, nothing, tmp_path / "out", recipe, silent)
    given = replace(recipe, weights=str(zoo_file[0]))
    facts = fit(data, nothing, tmp_path / "out", given, silent)
    assert facts["warm_start_tensors"] >= 250
    assert Detector.load(tmp_path / "out", device="cpu").plan.channels == 256


@pytest.mark.parametrize("address", ["http://example.org/a.pkl", "ftp://example.org/a.pkl", "no/such/file.pkl"])
def test_addresses_that_are_not_opened(address: str) -> None:
    with pytest.raises(TrainingError, match=r"https|cannot be read"):
        zoo_weights.fill(torch.nn.Linear(1, 1), address)


def test_a_redirect_away_from_https_is_not_followed() -> None:
    opener: Any = zoo_weights._https_only()
    kinds = set(opener.handle_open)
    assert kinds == {"https", "unknown"}
