"""A whole network trained on the labels: for hundreds of them, and best with a GPU.

Begins with the encoder's pretrained network and a linear head on it, or with the incumbent's network where that is of
the same kind. What comes out is an encoder of its own with a linear head, so predicting is the encoder's fast path.
"""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

import numpy as np
import safetensors.torch
import torch
from torch import nn

from training.classification.finetune_loop import FineTuned, LearningSet, Plan, run_epochs
from training.classification.linear_fit import DEFAULT_STRENGTH, fit_linear
from training.classification.methods.head import LinearHead
from training.classification.methods.head import load as load_head
from training.classification.request import Request
from training.classification.vectors import embed_with
from training.data.images import RGBArray
from training.data.split import assign_split
from training.device import pick_device
from training.encoders import load_features
from training.encoders._network import NetworkEncoder, PixelRecipe
from training.encoders._stream import embed_files
from training.encoders._weights import fill, read_weights
from training.files import MODEL_FILE, read_json, write_json_atomic
from training.types import FloatArray, IntArray, Progress, Sample, TrainingError

NEEDS: Literal["embeddings", "images"] = "images"
FEATURES_FILE = "features.safetensors"
WORK = "work"
MIN_WATCHED = 40
"""From this many training labels on, some are kept out of the learning to stop by."""


@dataclass
class FineTunedClassifier:
    """A trained network with its linear head.

    Attributes:
        head: the linear layer; it carries classes and temperature.
        backbone: encoder name that the architecture comes from.
        features: the trained network.
        recipe: pixel handling.
        settings: how it was trained.
        device: where to predict.
    """

    head: LinearHead
    backbone: str
    features: nn.Module
    recipe: PixelRecipe
    settings: dict[str, object] = field(default_factory=dict)
    device: str = "cpu"
    threads: int = 1
    kind: str = "finetune"
    needs: Literal["embeddings", "images"] = "images"
    _encoder: NetworkEncoder | None = None

    @property
    def classes(self) -> tuple[str, ...]:
        """Class names in the order of a probability row."""
        return self.head.classes

    @property
    def temperature(self) -> float:
        """Logits are divided by it."""
        return self.head.temperature

    @temperature.setter
    def temperature(self, value: float) -> None:
        self.head.temperature = value

    def predict_embeddings(self, embeddings: FloatArray) -> FloatArray:
        """Always refused: embeddings of the project's encoder mean nothing to a network of its own.

        Raises:
            TrainingError: always.
        """
        raise TrainingError(f"A fine-tuned model needs images, not {len(embeddings)} embeddings. Use predict_images.")

    def predict_images(self, paths: Sequence[Path], progress: Progress | None = None) -> FloatArray:
        """Probabilities `(n, c)` float32 of image files; a row is NaN where an image cannot be used."""
        return self.head.predict_embeddings(self.embed_images(paths, progress))

    def embed_images(self, paths: Sequence[Path], progress: Progress | None = None) -> FloatArray:
        """The trained network's embeddings `(n, d)` float32, unit length; NaN rows where an image cannot be used."""
        if self._encoder is None:
            self._encoder = NetworkEncoder(
                "finetuned", self.features, self.recipe, threads=self.threads, device=self.device
            )
        return embed_with(self._encoder, paths, progress)

    def save(self, folder: Path) -> None:
        """Write the head's files and the network's weights."""
        self.head.save(folder)
        tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in self.features.state_dict().items()}
        safetensors.torch.save_file(tensors, folder / FEATURES_FILE)
        fields = read_json(folder / MODEL_FILE)
        write_json_atomic(
            folder / MODEL_FILE, {**fields, "kind": self.kind, "backbone": self.backbone, "settings": self.settings}
        )

    def describe(self) -> dict[str, object]:
        """How it was trained."""
        return dict(self.settings)


def load(checkpoint: Path) -> FineTunedClassifier:
    """Read what `save` wrote.

    Raises:
        TrainingError: the checkpoint is damaged.
    """
    fields = read_json(checkpoint / MODEL_FILE)
    backbone = str(fields.get("backbone") or "lite0")
    network, recipe = load_features(backbone, pretrained=False)
    fill(network, read_weights(checkpoint / FEATURES_FILE), f"the fine-tuned {backbone}")
    return FineTunedClassifier(load_head(checkpoint), backbone, network, recipe, dict(fields.get("settings") or {}))


def fit(request: Request, progress: Progress) -> FineTunedClassifier:
    """Train on the request's training samples.

    Options: `epochs`, `batch`, `rate`, `patience`, `backbone` (encoder name; the project's by default), `device`.

    Raises:
        TrainingError: an option is wrong, or the backbone's weights cannot be had.
    """
    torch.set_num_threads(request.threads)
    plan, device = _plan(request), pick_device(str(request.options.get("device", "auto")))
    backbone = str(request.options.get("backbone") or request.encoder)
    features, recipe, start = _start(request, backbone)
    work = _work_folder(request)
    samples = request.part("train")
    encoder = NetworkEncoder("start", features, recipe, threads=request.threads, device=str(device))
    pixels, embeddings = _prepare(encoder, samples, work, lambda f, m: progress(0.2 * f, m))
    targets = np.array(request.targets(samples), dtype=np.int64)
    present, columns = np.unique(targets, return_inverse=True)
    learn, watch = _hold_out(columns, [sample.group for sample in samples])
    weights, bias = fit_linear(embeddings[learn], columns[learn], len(present), DEFAULT_STRENGTH)
    network = FineTuned(features, _linear(weights, bias), recipe)
    data = LearningSet(pixels, columns.astype(np.int64), learn, watch)
    done = run_epochs(
        network,
        data,
        plan,
        seed=request.seed,
        device=device,
        state=work / "epoch.pt",
        progress=lambda f, m: progress(0.2 + 0.8 * f, m),
    )
    settings = {
        "backbone": backbone,
        "start": start,
        "device": device.type,
        "learned": len(learn),
        "watched": len(watch),
    }
    network.cpu()
    head = _widen(network.linear, present, request)
    shutil.rmtree(work, ignore_errors=True)
    return FineTunedClassifier(
        head, backbone, network.features, recipe, {**settings, **done}, device=str(device), threads=request.threads
    )


def _plan(request: Request) -> Plan:
    known = {"epochs": int, "batch": int, "rate": float, "patience": int}
    try:
        given = {name: kind(request.options[name]) for name, kind in known.items() if name in request.options}
    except (TypeError, ValueError) as error:
        raise TrainingError(f"A training option is not a number ({error}). Correct it and train again.") from error
    if any(value <= 0 for value in given.values()):
        raise TrainingError(f"Training options must be above 0, not {given}; correct them and train again.")
    return replace(Plan(), **given)


def _start(request: Request, backbone: str) -> tuple[nn.Module, PixelRecipe, str]:
    """The network to begin with: the incumbent's where it fits, else the pretrained one."""
    if request.init is not None and (request.init / FEATURES_FILE).is_file():
        incumbent = load(request.init)
        if incumbent.backbone == backbone:
            return incumbent.features, incumbent.recipe, "incumbent"
    network, recipe = load_features(backbone)
    return network, recipe, "pretrained"


def _work_folder(request: Request) -> Path:
    """Where a killed attempt of this very job left its last epoch; leftovers of other requests are removed."""
    work = request.run_dir / f"{WORK}-{request.fingerprint[:12]}"
    for other in request.run_dir.glob(f"{WORK}-*"):
        if other != work:
            shutil.rmtree(other, ignore_errors=True)
    work.mkdir(exist_ok=True)
    return work


def _prepare(
    encoder: NetworkEncoder, samples: Sequence[Sample], work: Path, progress: Progress
) -> tuple[RGBArray, FloatArray]:
    """Decode every image once, into a file: epochs then cost no decoding and no memory."""
    side = encoder.recipe.side
    pixels = np.memmap(work / "pixels.u8", dtype=np.uint8, mode="w+", shape=(len(samples), side, side, 3))
    embeddings = np.zeros((len(samples), encoder.dimension), dtype=np.float32)
    for answer in embed_files(encoder, [sample.path for sample in samples], keep=pixels):
        if answer.vector is None:
            raise TrainingError(f"{answer.reason} It was readable a moment ago. Train again.")
        embeddings[answer.index] = answer.vector
        progress((answer.index + 1) / len(samples), f"{answer.index + 1} of {len(samples)} images read")
    return pixels, embeddings


def _hold_out(targets: IntArray, groups: Sequence[str]) -> tuple[IntArray, IntArray]:
    """Positions to learn from and to stop by: one group in six, but no class loses all its labels.

    Chosen by a hash, so that an incumbent which is trained further never learned what its successor is watched on. The
    validation part is not used for this: it has to judge the result.
    """
    everything = np.arange(len(targets), dtype=np.int64)
    if len(targets) < MIN_WATCHED:
        return everything, everything[:0]
    watched = np.array([assign_split(group, 1 / 6, "used to monitor training") == "validation" for group in groups])
    for index in np.unique(targets):
        if watched[targets == index].all():
            needed = {groups[position] for position in np.flatnonzero(targets == index)}
            watched &= ~np.array([group in needed for group in groups])
    return everything[~watched], everything[watched]


def _linear(weights: FloatArray, bias: FloatArray) -> nn.Linear:
    layer = nn.Linear(weights.shape[0], weights.shape[1])
    with torch.no_grad():
        layer.weight.copy_(torch.from_numpy(np.ascontiguousarray(weights.T)))
        layer.bias.copy_(torch.from_numpy(bias))
    return layer


def _widen(layer: nn.Linear, present: IntArray, request: Request) -> LinearHead:
    """The layer over the classes with labels as a head over all classes."""
    weights = np.zeros((layer.in_features, len(request.classes)), dtype=np.float32)
    bias = np.full(len(request.classes), -np.inf, dtype=np.float32)
    weights[:, present] = layer.weight.detach().numpy().T
    bias[present] = layer.bias.detach().numpy()
    return LinearHead(request.classes, weights, bias, encoder="", threads=request.threads)
