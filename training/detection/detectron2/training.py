"""Training a detector: one loop of our own around Detectron2's losses."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypedDict

import numpy as np
import torch

from training.data.detection_set import DetectionSet
from training.data.images import ImageDecodeError
from training.detection import checkpoint as detection_checkpoint
from training.detection.detectron2.forward import losses
from training.detection.detectron2.rcnn import Detector
from training.detection.detectron2.start import first_network
from training.detection.plan import Plan
from training.detection.processes import Group, joined
from training.detection.recipe import Recipe
from training.detection.views import Cache, Source, View
from training.device import pick_device, weights_of
from training.evaluation.detection import evaluate
from training.types import IntArray, Progress, TrainingError

RARE = 0.3
"""A class on less than this share of the images is shown more often, see `repeat_factors`."""
LEAST, MOST = 60, 6000
CHECKED_PIXELS = 8_000_000
"""px of the network that a check during training looks at, at most about; the final measurement takes all images."""


class Check(TypedDict):
    """COCO's averages on the validation part after so many steps."""

    iteration: float
    AP: float
    AP50: float


class Trained(TypedDict):
    """What happened in a training, as it goes into JSON.

    Attributes:
        iterations: steps done.
        seconds: they took.
        images: learned from.
        loss: mean of the last steps.
        checks: on the validation part.
        unreadable: images that could not be read, one sentence each.
        device: where it was computed.
        warm_start_tensors: taken over from another detector.
        notes: for the user.
        processes: that trained together.
        rank: of this one; 0 has measured and written.
    """

    iterations: int
    seconds: float
    images: int
    loss: float
    checks: list[Check]
    unreadable: list[str]
    device: str
    warm_start_tensors: int
    notes: list[str]
    processes: int
    rank: int


def fit(
    train: DetectionSet,
    validation: DetectionSet,
    out: Path,
    recipe: Recipe,
    progress: Progress,
    *,
    init: Path | None = None,
) -> Trained:
    """Train a detector and write its best state.

    Every image takes part whatever was trained before: a warm start never forgets old labels.

    Args:
        train: what is learned.
        validation: what decides which state is best; may be without images: then the last one is kept.
        out: folder of the checkpoint; replaced when all is done.
        recipe: how.
        progress: called with the progress and how long it will take.
        init: a detector to go on from; its zoom and anchors are kept.

    Returns:
        What happened; under torchrun every process returns it, and the one with `rank` 0 has measured and written.

    Raises:
        TrainingError: nothing can be learned from the data, or training broke down.
    """
    torch.set_num_threads(max(1, recipe.threads))
    torch.manual_seed(recipe.seed)
    device = pick_device(recipe.device)
    with joined(device) as group:
        plan, network, taken, notes = first_network(train, recipe, device, init)
        run = _Run(plan, network, train, validation, recipe, progress, group)
        facts = run.go(taken, notes)
        if group.rank == 0:
            detection_checkpoint.save(out, plan, run.best, facts)
    return facts


class _Run:
    """One training: its state between steps."""

    def __init__(
        self,
        plan: Plan,
        network: Any,
        train: DetectionSet,
        validation: DetectionSet,
        recipe: Recipe,
        progress: Progress,
        group: Group,
    ) -> None:
        self.group = group
        self.plan, self.network, self.recipe, self.progress = plan, network, recipe, progress
        self.validation = validation
        cache = Cache()
        self.sources = [Source(image, plan.zoom, plan.masks, cache) for image in train.images]
        self.weights = repeat_factors(train)
        self._watched = watched(validation, plan.zoom)
        self.rng = np.random.default_rng([recipe.seed, group.rank] if group.rank else recipe.seed)
        self.best: dict[str, torch.Tensor] = {}
        self.checks: list[Check] = []
        self.unreadable: set[str] = set()
        self.history: list[float] = []
        self.parameters = [parameter for parameter in network.parameters() if parameter.requires_grad]
        self.optimiser = torch.optim.AdamW(self.parameters, lr=recipe.rate, weight_decay=0.01)
        group.share(network)
        self.scaler = torch.amp.GradScaler(enabled=network.pixel_mean.device.type == "cuda")

    def go(self, taken: int, notes: list[str]) -> Trained:
        recipe, started = self.recipe, self.recipe.clock()
        total = recipe.iterations or 600
        done, next_check = 0, 1
        self.network.train()
        while done < total:
            self._step(done / total, done)
            done += 1
            spent = recipe.clock() - started
            if recipe.iterations is None and recipe.minutes is not None and done >= 10 and done % 5 == 0:
                total = self._agreed(_total(done, spent, 60 * recipe.minutes * 0.95))
            if self.group.rank == 0 and (done % 5 == 0 or done == total):
                self._tell(done, total, spent)
            if self.validation.images and recipe.checks and done >= total * (next_check + 1) / (recipe.checks + 1):
                # A slow stretch shortens the training; checks that it passed over are not made up for.
                next_check = max(next_check + 1, int(done * (recipe.checks + 1) / total))
                if self.group.rank == 0:
                    self._check(done)
                if self._agreed(self.group.rank == 0 and self._stale()):
                    break
        if not self.best:
            self.best = weights_of(self.network)
        return {
            "iterations": done,
            "seconds": round(recipe.clock() - started, 1),
            "images": len(self.sources),
            "loss": round(float(np.mean(self.history[-50:])), 4),
            "checks": self.checks,
            "unreadable": sorted(self.unreadable),
            "device": str(self.network.pixel_mean.device),
            "warm_start_tensors": taken,
            "notes": notes,
            "processes": self.group.size,
            "rank": self.group.rank,
        }

    def _agreed(self, number: int) -> int:
        return self.group.agree(number, self.network.pixel_mean.device)

    def _step(self, fraction: float, done: int) -> None:
        rate = self.recipe.rate * min(1.0, (done + 1) / 25) * 0.5 * (1 + math.cos(math.pi * min(fraction, 1.0)))
        for group in self.optimiser.param_groups:
            group["lr"] = max(rate, 1e-6)
        views = self._views()
        with torch.autocast("cuda", enabled=self.scaler.is_enabled()):
            total = torch.stack(list(losses(self.network, views, self.plan.masks).values())).sum()
        if not torch.isfinite(total):
            raise TrainingError(
                "Training failed because the loss is not finite. Train again with a lower learning rate."
            )
        self.optimiser.zero_grad(set_to_none=True)
        torch.autograd.backward(self.scaler.scale(total))
        self.group.average(self.parameters)
        self.scaler.unscale_(self.optimiser)
        torch.nn.utils.clip_grad_norm_(self.network.parameters(), 10.0)
        self.scaler.step(self.optimiser)
        self.scaler.update()
        self.history.append(float(total.detach()))

    def _views(self) -> list[View]:
        views: list[View] = []
        while len(views) < self.recipe.batch:
            if not self.weights.any():
                raise TrainingError("No training image can be read. Restore the files, then train again.")
            index = int(self.rng.choice(len(self.sources), p=self.weights / self.weights.sum()))
            try:
                views.append(self.sources[index].view(self.plan.tile, self.rng))
            except ImageDecodeError as error:
                self.unreadable.add(str(error))
                self.weights[index] = 0
        return views

    def _check(self, done: int) -> None:
        """Measure on the validation part and keep the weights if none were better."""
        detector = Detector(self.plan, self.network)
        part = self._watched
        found = list(detector.predict([image.path for image in part.images]))
        measured = evaluate(part, found)
        judged = measured["masks"] if self.plan.masks and measured.get("masks") else measured
        check: Check = {"iteration": float(done), "AP": judged["AP"] or 0.0, "AP50": judged["AP50"] or 0.0}
        if not self.best or check["AP50"] + check["AP"] >= max(c["AP50"] + c["AP"] for c in self.checks):
            self.best = weights_of(self.network)
        self.checks.append(check)
        self.network.train()

    def _stale(self) -> bool:
        """Whether the best check is so long ago that more training is in vain."""
        scores = [check["AP50"] + check["AP"] for check in self.checks]
        return len(scores) - 1 - scores.index(max(scores)) >= self.recipe.patience

    def _tell(self, done: int, total: int, spent: float) -> None:
        left = spent / done * (total - done)
        score = f", AP50 {self.checks[-1]['AP50']:.3f}" if self.checks else ""
        message = f"step {done} of {total}, loss {np.mean(self.history[-20:]):.3f}{score}, {left / 60:.1f} min left"
        self.progress(min(done / total, 1.0), message)


def watched(data: DetectionSet, zoom: float) -> DetectionSet:
    """Evenly spread images, the same at every check, of about `CHECKED_PIXELS`."""
    pixels = sum(image.size[0] * image.size[1] for image in data.images) * zoom**2
    return DetectionSet(data.classes, data.images[:: max(1, math.ceil(pixels / CHECKED_PIXELS))])


def _total(done: int, spent: float, seconds: float) -> int:
    """How many steps fit into the time at the pace so far."""
    return int(min(max(seconds * done / max(spent, 1e-6), done, LEAST), MOST))


def repeat_factors(data: DetectionSet) -> np.ndarray[Any, np.dtype[np.float64]]:
    """How often each image is shown, `(n,)` float64, at least 1: images of rare classes come more often.

    r(c) = max(1, sqrt(RARE / f(c))), f the share of images with class c; an image takes the largest r of its classes.

    Paper: Gupta, Dollar, Girshick (2019), LVIS: A Dataset for Large Vocabulary Instance Segmentation
    """
    classes: Sequence[IntArray] = [np.unique(image.classes) for image in data.images]
    images = max(1, len(classes))
    share = np.bincount(np.concatenate([*classes, np.zeros(0, np.int64)]), minlength=len(data.classes)) / images
    factor = np.maximum(1.0, np.sqrt(RARE / np.maximum(share, 1e-9)))
    return np.array([max((float(factor[number]) for number in each), default=1.0) for each in classes])
