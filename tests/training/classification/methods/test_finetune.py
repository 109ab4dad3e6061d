from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

import training.classification.finetune_loop as loop
from tests.fakes.kills import killed
from tests.fakes.progress import silent
from tests.training.cells import CLASSES, cell_samples, make_run
from training.classification.augment import Augmentation, augment
from training.classification.methods.finetune import MIN_WATCHED, _hold_out
from training.jobs.classes import load_model, train
from training.types import Sample, TrainingError

SMALL = {"backbone": "timm:test_efficientnet", "epochs": 3, "rate": 1e-3, "device": "cpu"}
"""A network of a few thousand weights and 160 px, for speed."""


@pytest.fixture(autouse=True)
def small_backbone(tmp_path: Path) -> dict[str, object]:
    """Random weights on disk: no test may ask a network for any."""
    from training.encoders import load_features

    torch.manual_seed(0)
    network, _ = load_features("timm:test_efficientnet", pretrained=False)
    torch.save(network.state_dict(), tmp_path / "weights.pth")
    return {**SMALL, "backbone": f"timm:test_efficientnet@{tmp_path / 'weights.pth'}"}


@pytest.fixture
def samples(tmp_path: Path) -> list[Sample]:
    folder = tmp_path / "images"
    folder.mkdir()
    return cell_samples(folder, 64)


def checkpoint(run: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted((run / "checkpoint").iterdir())}


@pytest.mark.slow
def test_a_network_learns_is_read_back_and_goes_on(
    tmp_path: Path, samples: list[Sample], small_backbone: dict[str, object]
) -> None:
    run = make_run(tmp_path / "run", samples, method="finetune", options=small_backbone)
    metrics = train(run, silent)
    assert metrics["settings"]["start"] == "pretrained"
    assert metrics["settings"]["watched"] > 0
    assert metrics["settings"]["epochs"] == 3
    assert not list(run.glob("work*"))
    model = load_model(run / "checkpoint")
    assert (model.kind, model.needs, model.classes) == ("finetune", "images", CLASSES)
    paths = [sample.path for sample in samples[:8]]
    probs = model.predict_images([*paths, tmp_path / "gone.png"], silent)
    assert probs.shape == (9, 3)
    assert probs.dtype == np.float32
    assert np.allclose(probs[:8].sum(axis=1), 1, atol=1e-5)
    assert np.isnan(probs[8]).all()
    with pytest.raises(TrainingError, match="needs images"):
        model.predict_embeddings(np.zeros((1, 4), dtype=np.float32))
    options = {**small_backbone, "epochs": 1}
    further = make_run(tmp_path / "next", samples, method="finetune", options=options, init=str(run / "checkpoint"))
    assert train(further, silent)["settings"]["start"] == "incumbent"


@pytest.mark.slow
def test_a_killed_training_ends_like_one_that_was_not(
    tmp_path: Path, samples: list[Sample], small_backbone: dict[str, object], monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = make_run(tmp_path / "whole", samples, method="finetune", options=small_backbone)
    begun = make_run(tmp_path / "begun", samples, method="finetune", options=small_backbone)
    train(whole, silent)
    real, epochs = loop._one_epoch, []

    def counted(*arguments: object) -> None:
        epochs.append(arguments[4])
        real(*arguments)  # type: ignore[arg-type]  # passed through as they came

    monkeypatch.setattr(loop, "_one_epoch", counted)
    with killed(loop, "_one_epoch", nth=3):
        train(begun, silent)
    train(begun, silent)
    assert epochs == [0, 1, 2]
    assert checkpoint(begun) == checkpoint(whole)


@pytest.mark.slow
def test_a_class_without_labels_gets_nothing(
    tmp_path: Path, samples: list[Sample], small_backbone: dict[str, object]
) -> None:
    few = [sample for sample in samples if sample.label != "long"][:10]
    run = make_run(tmp_path / "run", few, method="finetune", options={**small_backbone, "epochs": 1})
    assert train(run, silent)["settings"]["watched"] == 0
    probs = load_model(run / "checkpoint").predict_images([samples[0].path])
    assert probs[0, 1] == 0
    assert probs[0, [0, 2]].min() > 0


@pytest.mark.parametrize("options", [{"epochs": 0}, {"rate": "fast"}, {"backbone": "nothing"}])
def test_wrong_options_are_named(tmp_path: Path, samples: list[Sample], options: dict[str, object]) -> None:
    run = make_run(tmp_path / "run", samples[:8], method="finetune", options=options)
    with pytest.raises(TrainingError, match=r"above 0|not a number|no encoder"):
        train(run, silent)


def test_views_are_repeatable_and_stay_images() -> None:
    images = torch.rand(4, 3, 32, 32) * 255
    views = [augment(images, Augmentation(), torch.Generator().manual_seed(seed)) for seed in (1, 1, 2)]
    assert torch.equal(views[0], views[1])
    assert not torch.equal(views[0], views[2])
    assert views[0].shape == images.shape
    assert float(views[0].min()) >= 0
    assert float(views[0].max()) <= 255
    still = Augmentation(turn=0, zoom=0, shift=0, light=0, stain=0)
    kept = augment(images, still, torch.Generator().manual_seed(1))
    turned = torch.stack([image.flip(2) for image in images])
    for image, half, view in zip(images, turned, kept, strict=True):
        assert torch.allclose(view, image, atol=0.05) or torch.allclose(view, half, atol=0.05)


def test_watched_groups_are_whole_stable_and_leave_every_class_a_label() -> None:
    groups = [f"slide {i // 3}" for i in range(90)]
    targets = np.arange(90) % 5
    learn, watch = _hold_out(targets, groups)
    assert 0 < len(watch) < 45
    assert not {groups[i] for i in learn} & {groups[i] for i in watch}
    longer, _ = _hold_out(np.concatenate([targets, targets]), [*groups, *(f"new {i}" for i in range(90))])
    assert set(learn) <= set(longer)
    for rare in range(90):
        single = np.zeros(90, dtype=np.int64)
        single[rare] = 1
        assert rare in _hold_out(single, groups)[0]
    assert len(_hold_out(targets[: MIN_WATCHED - 1], groups[: MIN_WATCHED - 1])[1]) == 0


@pytest.mark.slow
def test_it_looks_at_images_with_as_many_threads_as_it_is_told(
    tmp_path: Path, samples: list[Sample], small_backbone: dict[str, object]
) -> None:
    run = make_run(tmp_path / "run", samples, method="finetune", options={**small_backbone, "epochs": 1})
    train(run, silent)
    before = torch.get_num_threads()
    try:
        for threads in (3, 2):
            load_model(run / "checkpoint", threads=threads).predict_images([samples[0].path])
            assert torch.get_num_threads() == threads
    finally:
        torch.set_num_threads(before)
