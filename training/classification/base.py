"""What every classifier can do, and how one is found."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType
from typing import Literal, Protocol

from training.types import FloatArray, Progress, TrainingError


class Classifier(Protocol):
    """A trained model.

    Attributes:
        classes: class names in the order of a probability row; one without training labels gets probability 0.
        kind: the method that made it.
        needs: what it looks at.
        temperature: logits are divided by it.
        threads: CPU threads with which it looks at images.
    """

    classes: tuple[str, ...]
    kind: str
    needs: Literal["embeddings", "images"]
    temperature: float
    threads: int

    def predict_embeddings(self, embeddings: FloatArray) -> FloatArray:
        """Probabilities `(n, c)` float32 of embeddings `(n, d)`.

        Raises:
            TrainingError: the model looks at images, or the embeddings have another length.
        """
        ...

    def predict_images(self, paths: Sequence[Path], progress: Progress | None = None) -> FloatArray:
        """Probabilities `(n, c)` float32 of image files; NaN rows where an image cannot be used (see the log)."""
        ...

    def save(self, folder: Path) -> None:
        """Write the checkpoint into an empty folder."""
        ...

    def describe(self) -> dict[str, object]:
        """How it was trained: JSON-serializable settings for the metrics."""
        ...


def methods() -> list[str]:
    """Names of the training methods there are, sorted."""
    names = (module.name for module in pkgutil.iter_modules([str(Path(__file__).parent / "methods")]))
    return sorted(name for name in names if name != "base" and not name.startswith("_"))


def method_module(name: str) -> ModuleType:
    """The module of a method.

    Raises:
        TrainingError: there is none of that name.
    """
    if name not in methods():
        raise TrainingError(f"There is no training method {name!r}; choose one of {', '.join(methods())}.")
    return importlib.import_module(f"training.classification.methods.{name}")
