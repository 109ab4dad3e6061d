from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from tests.training.cells import cell_samples
from training.data.images import load_rgb
from training.encoders import Encoder, embed_files, families, load_encoder, load_features
from training.encoders._network import Embedder, NetworkEncoder
from training.types import TrainingError


@pytest.fixture(scope="module")
def lite0() -> Encoder:
    return load_encoder("lite0")


def test_frozen_equals_eager(lite0: Encoder) -> None:
    assert isinstance(lite0, NetworkEncoder)
    pixels = np.random.default_rng(0).integers(0, 255, (5, 224, 224, 3), dtype=np.uint8)
    with torch.inference_mode():
        eager = Embedder(*load_features("lite0")).eval()(torch.from_numpy(pixels)).numpy()
    assert np.abs(lite0.embed_prepared(pixels) - eager).max() < 1e-4


def test_embeddings_are_unit_float32_whatever_the_image_size(lite0: Encoder) -> None:
    rng = np.random.default_rng(1)
    images = [rng.integers(0, 255, (h, w, 3), dtype=np.uint8) for h, w in ((1, 1), (3, 500), (300, 20), (224, 224))]
    vectors = lite0.embed(images)
    assert vectors.shape == (4, 1280) == (4, lite0.dimension)
    assert vectors.dtype == np.float32
    assert np.allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
    assert lite0.embed([]).shape == (0, 1280)


def test_an_embedding_does_not_depend_on_its_batch(lite0: Encoder) -> None:
    pixels = np.random.default_rng(2).integers(0, 255, (19, 224, 224, 3), dtype=np.uint8)
    together = lite0.embed(list(pixels))
    alone = np.concatenate([lite0.embed([image]) for image in pixels[:3]])
    assert np.abs(together[:3] - alone).max() < 1e-4


def test_the_weights_know_images(lite0: Encoder, tmp_path: Path) -> None:
    """Cells of one kind lie nearer to each other than to other kinds, which a random network does not give for free."""
    samples = cell_samples(tmp_path, 18)
    vectors = lite0.embed([load_rgb(sample.path) for sample in samples])
    near = vectors @ vectors.T - 2 * np.eye(18)
    kinds = np.array([sample.label for sample in samples])
    assert (kinds[near.argmax(axis=1)] == kinds).mean() > 0.8


@pytest.mark.slow
def test_keys_name_weights_and_pixel_handling(lite0: Encoder) -> None:
    assert lite0.key.startswith("lite0-")
    assert lite0.key.replace("-", "").isalnum()
    network, recipe = load_features("lite0")
    assert NetworkEncoder("lite0", network, recipe).key == lite0.key
    with torch.no_grad():
        next(network.parameters()).add_(1e-3)
    assert NetworkEncoder("lite0", network, recipe).key != lite0.key


def test_files_in_order_with_the_bad_ones_named(lite0: Encoder, tmp_path: Path) -> None:
    paths = [sample.path for sample in cell_samples(tmp_path, 7)]
    paths[2].write_bytes(paths[2].read_bytes()[:200])
    paths.insert(5, tmp_path / "gone.png")
    answers = list(embed_files(lite0, paths, batch=3))
    assert [answer.index for answer in answers] == list(range(8))
    assert [answer.index for answer in answers if answer.vector is None] == [2, 5]
    assert "2.png" in answers[2].reason
    assert answers[2].reason.endswith(".")
    good = [i for i in range(8) if i not in (2, 5)]
    assert all(answers[i].size == (72, 72) for i in good)
    expected = lite0.embed([load_rgb(paths[i]) for i in good])
    found = np.stack([v for i in good if (v := answers[i].vector) is not None])
    assert np.abs(found - expected).max() < 1e-4


def test_no_file_and_only_bad_files(lite0: Encoder, tmp_path: Path) -> None:
    assert list(embed_files(lite0, [])) == []
    assert [answer.vector for answer in embed_files(lite0, [tmp_path / "x", tmp_path / "y"])] == [None, None]
    with pytest.raises(ValueError, match="batch"):
        list(embed_files(lite0, [], batch=0))


def test_a_caller_may_stop_in_the_middle(lite0: Encoder, tmp_path: Path) -> None:
    answers = embed_files(lite0, [sample.path for sample in cell_samples(tmp_path, 9)], batch=2)
    assert next(iter(answers)).index == 0
    answers.close()


def test_large_jpegs_embed_nearly_like_the_whole_picture(lite0: Encoder, tmp_path: Path) -> None:
    rng = np.random.default_rng(3)
    coarse = Image.fromarray(rng.integers(0, 255, (30, 40, 3), dtype=np.uint8))
    coarse.resize((1600, 1200), Image.Resampling.BICUBIC).save(tmp_path / "a.jpg", quality=90)
    quick = lite0.embed_prepared(lite0.prepare(tmp_path / "a.jpg").pixels[None])[0]
    whole = lite0.embed([load_rgb(tmp_path / "a.jpg")])[0]
    assert float(quick @ whole) > 0.99


def test_families_are_found_by_file_name() -> None:
    assert families() == ["lite0", "timm", "torchvision"]


@pytest.mark.parametrize(
    ("name", "what"),
    [
        ("vgg", "choose one of lite0"),
        ("lite0:b", "no argument"),
        ("timm:nothing", "timm has no model"),
        ("timm:", "timm has no model"),
        ("torchvision:nothing", "no classification model"),
        ("torchvision:resnet18@missing.pth", "cannot be read"),
        ("_network:x", "no encoder"),
    ],
)
def test_wrong_names_are_answered_with_advice(name: str, what: str) -> None:
    with pytest.raises(TrainingError, match=what):
        load_encoder(name)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["timm:resnet10t", "torchvision:mobilenet_v3_small"])
def test_any_model_with_weights_on_disk(tmp_path: Path, name: str) -> None:
    network, _ = load_features(name, pretrained=False)
    weights = {key.removeprefix("network."): tensor for key, tensor in network.state_dict().items()}
    torch.save({**weights, "fc.weight": torch.zeros(3)}, tmp_path / "w.pth")
    encoder = load_encoder(f"{name}@{tmp_path / 'w.pth'}")
    assert encoder.key.startswith(name.replace(":", "-"))
    vectors = encoder.embed([np.full((30, 30, 3), 200, dtype=np.uint8)])
    assert vectors.shape == (1, encoder.dimension)
    torch.save({"fc.weight": torch.zeros(3)}, tmp_path / "other.pth")
    with pytest.raises(TrainingError, match="do not match"):
        load_encoder(f"{name}@{tmp_path / 'other.pth'}")


def test_weights_that_would_run_code_are_refused(tmp_path: Path) -> None:
    torch.save({"a": Path("x")}, tmp_path / "w.pth")
    with pytest.raises(TrainingError, match="cannot be read"):
        load_encoder(f"timm:resnet10t@{tmp_path / 'w.pth'}")


def test_weights_that_cannot_be_fetched(monkeypatch: pytest.MonkeyPatch) -> None:
    def away(*_: object, **__: object) -> None:
        raise OSError("no network here")

    monkeypatch.setattr("timm.create_model", away)
    with pytest.raises(TrainingError, match=r"no network here.*lite0"):
        load_features("timm:resnet18")


def test_naming_modules_costs_no_torch() -> None:
    code = (
        "import sys, training.jobs.classes, training.encoders, training.data.images;"
        "print('torch' in sys.modules, 'sklearn' in sys.modules)"
    )
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert answer.stdout.split() == ["False", "False"]


@pytest.mark.shared_data
def test_real_cells_of_a_class_are_neighbours(lite0: Encoder, shared_data: Path) -> None:
    paths = sorted((shared_data / "lc25000_patches").glob("*/*"))
    vectors = np.stack([v for a in embed_files(lite0, paths) if (v := a.vector) is not None])
    kinds = np.array([path.parent.name for path in paths])
    near = vectors @ vectors.T - 2 * np.eye(len(paths))
    assert (kinds[near.argmax(axis=1)] == kinds).mean() > 0.7
