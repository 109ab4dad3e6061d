"""A linear head on frozen embeddings: class-balanced, L2-regularized multinomial logistic regression; seconds to train.

The embeddings are centered and scaled as a whole (mean squared length 1), never column by column: with a thousand
columns and twenty labels a column's spread is noise. The strength of the regularization is chosen by grouped
cross-validation where there are labels enough to choose by.
"""

from __future__ import annotations

import io
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar, Literal
from zipfile import BadZipFile

import numpy as np

from training.classification.request import Request
from training.classification.vectors import embed_paths, sample_vectors
from training.evaluation.calibration import apply_temperature
from training.files import MODEL_FILE, read_json, write_bytes_atomic, write_json_atomic
from training.types import FloatArray, Progress, TrainingError

WEIGHTS_FILE = "weights.npz"
NEEDS: Literal["embeddings", "images"] = "embeddings"


@dataclass
class LinearHead:
    """Softmax of `embeddings @ weights + bias`.

    Attributes:
        classes: all class names of the project.
        weights: `(d, c)` float32.
        bias: `(c,)` float32; -inf for a class without training labels.
        encoder: name of the encoder for images that have no stored embedding.
        encoder_key: key of the encoder whose embeddings it was trained on; empty if unknown.
        threads: CPU threads for images.
        temperature: logits are divided by it.
        settings: how it was trained.
    """

    classes: tuple[str, ...]
    weights: FloatArray
    bias: FloatArray
    encoder: str
    encoder_key: str = ""
    threads: int = 1
    temperature: float = 1.0
    settings: dict[str, object] = field(default_factory=dict)
    kind: str = "head"
    needs: Literal["embeddings", "images"] = "embeddings"

    MAX_ROWS: ClassVar[int] = 65_536

    def predict_embeddings(self, embeddings: FloatArray) -> FloatArray:
        """Probabilities `(n, c)` float32 of embeddings `(n, d)`.

        Raises:
            TrainingError: the embeddings have another length than those it was trained on.
        """
        if embeddings.ndim != 2 or embeddings.shape[1] != self.weights.shape[0]:
            raise TrainingError(
                f"The model expects embeddings of length {self.weights.shape[0]}, not of shape "
                f"{embeddings.shape}. Train it again on the project's encoder."
            )
        parts = [
            self._softmax(embeddings[start : start + self.MAX_ROWS])
            for start in range(0, len(embeddings), self.MAX_ROWS)
        ]
        return np.concatenate(parts) if parts else np.zeros((0, len(self.classes)), dtype=np.float32)

    def predict_images(self, paths: Sequence[Path], progress: Progress | None = None) -> FloatArray:
        """Probabilities `(n, c)` float32 of image files, embedded first; a row is NaN where an image cannot be used.

        Raises:
            TrainingError: the encoder is another one than it was trained on.
        """
        return self.predict_embeddings(embed_paths(self.encoder, paths, self.threads, progress, key=self.encoder_key))

    def save(self, folder: Path) -> None:
        """Write `model.json` and `weights.npz`."""
        buffer = io.BytesIO()
        np.savez(buffer, weights=self.weights, bias=self.bias)
        write_bytes_atomic(folder / WEIGHTS_FILE, buffer.getvalue())
        fields = {
            "kind": self.kind,
            "classes": list(self.classes),
            "encoder": self.encoder,
            "encoder_key": self.encoder_key,
            "temperature": self.temperature,
            "settings": self.settings,
        }
        write_json_atomic(folder / MODEL_FILE, fields)

    def describe(self) -> dict[str, object]:
        """How it was trained."""
        return dict(self.settings)

    def _softmax(self, embeddings: FloatArray) -> FloatArray:
        logits = embeddings.astype(np.float32) @ self.weights + self.bias
        logits -= logits.max(axis=1, keepdims=True)
        probs = np.exp(logits.astype(np.float64))
        probs /= probs.sum(axis=1, keepdims=True)
        return apply_temperature(probs, self.temperature)


def fit(request: Request, progress: Progress) -> LinearHead:
    """Train on the request's training samples.

    Raises:
        TrainingError: the embeddings cannot be read.
    """
    # Imported late: a web process that only predicts must not pay for scikit-learn.
    from training.classification.linear_fit import choose_strength, fit_linear

    samples = request.part("train")
    progress(0.05, "reading embeddings")
    embeddings = sample_vectors(request, samples)
    targets = np.array(request.targets(samples), dtype=np.int64)
    groups = np.unique([sample.group for sample in samples], return_inverse=True)[1].astype(np.int64)
    progress(0.2, "choosing the regularization")
    choice = choose_strength(embeddings, targets, groups, seed=request.seed)
    progress(0.8, "fitting")
    weights, bias = fit_linear(embeddings, targets, len(request.classes), choice.strength)
    progress(1.0, f"fitted on {len(samples)} labels")
    return LinearHead(
        classes=request.classes,
        weights=weights,
        bias=bias,
        encoder=request.encoder,
        encoder_key=request.encoder_key,
        threads=request.threads,
        settings=choice.as_dict(),
    )


def load(checkpoint: Path) -> LinearHead:
    """Read what `save` wrote.

    Raises:
        TrainingError: the checkpoint is damaged.
    """
    fields = read_json(checkpoint / MODEL_FILE)
    try:
        # Opened here, since numpy leaves a damaged file open.
        with (checkpoint / WEIGHTS_FILE).open("rb") as file, np.load(file, allow_pickle=False) as arrays:
            weights, bias = arrays["weights"], arrays["bias"]
        classes = tuple(map(str, fields["classes"]))
        if weights.ndim != 2 or weights.shape[1] != len(classes) or bias.shape != (len(classes),):
            raise ValueError(f"weights {weights.shape} and bias {bias.shape} for {len(classes)} classes")
        # A class without labels has the bias -inf, and no other number that is not one.
        if not (np.isfinite(weights).all() and (bias < np.inf).all()):
            raise ValueError("a weight is not a number")
        return LinearHead(
            classes=classes,
            weights=weights,
            bias=bias,
            encoder=str(fields["encoder"]),
            encoder_key=str(fields["encoder_key"]),
            temperature=float(fields["temperature"]),
            settings=dict(fields["settings"]),
        )
    except (OSError, ValueError, KeyError, TypeError, EOFError, BadZipFile, zlib.error) as error:
        raise TrainingError(
            f"The model in {checkpoint} is damaged ({error}); roll back to another run or train again."
        ) from error
