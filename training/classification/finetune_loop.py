"""The training loop of a whole network: balanced, early-stopped, and resumable at every epoch with the same result.

Starts from a linear head fitted on the network's own embeddings (Kumar et al. (2022), Fine-Tuning can Distort
Pretrained Features and Underperform Out-of-Distribution, arXiv:2202.10054), so that the first steps do not tear the
features apart. Batch statistics stay those of the pretraining: small batches of unlike images have none worth using.
"""

from __future__ import annotations

import io
import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypedDict

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from training.classification.augment import Augmentation, augment
from training.data.images import RGBArray
from training.device import weights_of
from training.encoders._network import PixelRecipe
from training.files import write_bytes_atomic
from training.types import IntArray, Progress


@dataclass(frozen=True)
class Plan:
    """Settings of the loop.

    Attributes:
        epochs: at most.
        batch: images a step.
        rate: learning rate of the features at its peak; the linear layer learns ten times as fast.
        patience: epochs without a better held-in score before it stops.
        smoothing: of labels.
        decay: weight decay.
        augmentation: views.
    """

    epochs: int = 12
    batch: int = 16
    rate: float = 1e-4
    patience: int = 4
    smoothing: float = 0.05
    decay: float = 0.02
    augmentation: Augmentation = field(default_factory=Augmentation)


class FineTuned(nn.Module):
    """Pixels -> logits: normalized features times a linear layer.

    Args:
        features: `(n, 3, side, side)` -> `(n, d)`.
        linear: `(n, d)` -> `(n, classes with labels)`.
        recipe: pixel handling.
    """

    mean: torch.Tensor
    scale: torch.Tensor

    def __init__(self, features: nn.Module, linear: nn.Linear, recipe: PixelRecipe) -> None:
        super().__init__()
        self.features, self.linear = features, linear
        self.register_buffer("mean", torch.tensor(recipe.mean).view(1, 3, 1, 1))
        self.register_buffer("scale", 1 / torch.tensor(recipe.std).view(1, 3, 1, 1))

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Logits of images `(n, 3, side, side)` float in 0..255."""
        embedded = functional.normalize(self.features((images - self.mean) * self.scale), dim=1)
        logits: torch.Tensor = self.linear(embedded)
        return logits


@dataclass(frozen=True)
class LearningSet:
    """Prepared images with their labels.

    Attributes:
        pixels: `(n, side, side, 3)` uint8, possibly on disk.
        targets: `(n,)` column of the linear layer.
        learn: positions to learn from.
        watch: positions to stop by; may be empty.
    """

    pixels: RGBArray
    targets: IntArray
    learn: IntArray
    watch: IntArray


class Trained(TypedDict):
    """What happened, as it goes into JSON.

    Attributes:
        epochs: done.
        best_epoch: whose weights were kept.
        watched_loss: on the watched images, before the first epoch and after each.
    """

    epochs: int
    best_epoch: int
    watched_loss: list[float | None]


class _State(TypedDict):
    """The last finished epoch, the best one, the score after each, and the weights of the best."""

    epoch: int
    best: int
    scores: list[float]
    weights: dict[str, torch.Tensor]


def run_epochs(
    network: FineTuned,
    data: LearningSet,
    plan: Plan,
    *,
    seed: int,
    device: torch.device,
    state: Path,
    progress: Progress,
) -> Trained:
    """Train in place and leave the best epoch's weights in the network.

    Args:
        network: on any device.
        data: images.
        plan: settings.
        seed: of order and views; every epoch draws from its own stream, so a resumed run repeats the killed one.
        device: where to compute.
        state: file that holds the last finished epoch.
        progress: called with the progress.

    Returns:
        What happened.
    """
    network.to(device).to(memory_format=torch.channels_last)
    optimizer = torch.optim.AdamW(_rates(network, plan), weight_decay=plan.decay)
    now: _State = _resume(state, network, optimizer, device) or {
        "epoch": 0, "best": 0, "scores": [_watch(network, data, device)], "weights": weights_of(network)
    }  # fmt: skip
    while now["epoch"] < plan.epochs and not _stale(now, data, plan):
        epoch = now["epoch"]
        progress(epoch / plan.epochs, f"epoch {epoch + 1} of at most {plan.epochs}")
        _one_epoch(network, optimizer, data, plan, epoch, seed, device)
        score = _watch(network, data, device)
        now["epoch"] = epoch + 1
        now["scores"].append(score)
        # Without images to watch there is nothing to choose by, and the last epoch counts.
        if len(data.watch) == 0 or score < now["scores"][now["best"]]:
            now["best"], now["weights"] = epoch + 1, weights_of(network)
        _save(state, now, network, optimizer)
    network.load_state_dict(now["weights"])
    return {"epochs": now["epoch"], "best_epoch": now["best"], "watched_loss": [_plain(s) for s in now["scores"]]}


def _rates(network: FineTuned, plan: Plan) -> list[dict[str, object]]:
    return [
        {"params": list(network.features.parameters()), "lr": plan.rate, "peak": plan.rate},
        {"params": list(network.linear.parameters()), "lr": 10 * plan.rate, "peak": 10 * plan.rate},
    ]


def _stale(now: _State, data: LearningSet, plan: Plan) -> bool:
    return len(data.watch) > 0 and now["epoch"] - now["best"] >= plan.patience


def _one_epoch(
    network: FineTuned,
    optimizer: torch.optim.Optimizer,
    data: LearningSet,
    plan: Plan,
    epoch: int,
    seed: int,
    device: torch.device,
) -> None:
    rng = np.random.default_rng([seed, epoch])
    generator = torch.Generator().manual_seed(int(rng.integers(2**62)))
    weights = _class_weights(data.targets[data.learn], network.linear.out_features).to(device)
    batches = list(_batches(rng.permutation(data.learn), plan.batch))
    half = torch.float16 if device.type == "cuda" and not torch.cuda.is_bf16_supported() else torch.bfloat16
    scaler = torch.amp.GradScaler(device.type, enabled=device.type == "cuda" and half == torch.float16)
    network.eval()
    for step, chosen in enumerate(batches):
        _set_rate(optimizer, (epoch + step / len(batches)) / plan.epochs)
        images = augment(_to_device(data.pixels[chosen], device), plan.augmentation, generator)
        target = torch.from_numpy(data.targets[chosen]).to(device)
        with torch.autocast(device.type, dtype=half, enabled=device.type == "cuda"):
            logits = network(images)
        loss = functional.cross_entropy(logits.float(), target, weight=weights, label_smoothing=plan.smoothing)
        optimizer.zero_grad(set_to_none=True)
        torch.autograd.backward(scaler.scale(loss))
        scaler.unscale_(optimizer)
        nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        scaler.step(optimizer)
        scaler.update()


def _set_rate(optimizer: torch.optim.Optimizer, done: float) -> None:
    """Up during the first tenth, then down along a cosine."""
    factor = done / 0.1 if done < 0.1 else 0.5 * (1 + math.cos(math.pi * (done - 0.1) / 0.9))
    for group in optimizer.param_groups:
        group["lr"] = group["peak"] * max(factor, 0.01)


def _watch(network: FineTuned, data: LearningSet, device: torch.device) -> float:
    """Class-balanced cross-entropy on the watched images; 0 when there is none."""
    if len(data.watch) == 0:
        return 0.0
    weights = _class_weights(data.targets[data.watch], network.linear.out_features).to(device)
    network.eval()
    total, mass = 0.0, 0.0
    with torch.inference_mode():
        for chosen in _batches(data.watch, 32):
            target = torch.from_numpy(data.targets[chosen]).to(device)
            logits = network(_to_device(data.pixels[chosen], device)).float()
            total += float(functional.cross_entropy(logits, target, weight=weights, reduction="sum"))
            mass += float(weights[target].sum())
    return total / mass


def _class_weights(targets: IntArray, classes: int) -> torch.Tensor:
    """Inverse frequency; at most ten times the most frequent class's, so that one odd label does not steer."""
    counts = np.bincount(targets, minlength=classes).astype(np.float64)
    inverse = counts.max() / np.maximum(counts, 1)
    return torch.from_numpy(np.minimum(inverse, 10.0).astype(np.float32))


def _batches(positions: IntArray, size: int) -> Iterator[IntArray]:
    for start in range(0, len(positions), size):
        yield positions[start : start + size]


def _to_device(pixels: RGBArray, device: torch.device) -> torch.Tensor:
    return torch.from_numpy(np.array(pixels)).to(device).permute(0, 3, 1, 2).float()


def _plain(score: float) -> float | None:
    return round(score, 4) if math.isfinite(score) else None


def _save(state: Path, now: _State, network: nn.Module, optimizer: torch.optim.Optimizer) -> None:
    buffer = io.BytesIO()
    torch.save({**now, "network": network.state_dict(), "optimizer": optimizer.state_dict()}, buffer)
    write_bytes_atomic(state, buffer.getvalue())


def _resume(state: Path, network: nn.Module, optimizer: torch.optim.Optimizer, device: torch.device) -> _State | None:
    if not state.is_file():
        return None
    saved = torch.load(state, map_location=device, weights_only=True)
    network.load_state_dict(saved["network"])
    optimizer.load_state_dict(saved["optimizer"])
    return {"epoch": saved["epoch"], "best": saved["best"], "scores": saved["scores"], "weights": saved["weights"]}
