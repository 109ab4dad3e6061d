"""Encoder by name: the part before the colon is a file of this folder."""

from __future__ import annotations

import importlib
import pkgutil
from functools import lru_cache
from pathlib import Path

from training.encoders._base import Encoder
from training.types import TrainingError


def families() -> list[str]:
    """Names of the encoder families there are, sorted."""
    names = (module.name for module in pkgutil.iter_modules([str(Path(__file__).parent)]))
    return sorted(name for name in names if not name.startswith("_"))


@lru_cache(maxsize=2)
def load_encoder(name: str, *, threads: int = 1, device: str = "cpu") -> Encoder:
    """Build an encoder, or answer the one built before in this process.

    Args:
        name: `lite0` (bundled ImageNet weights, works offline), `timm:<model>` or `torchvision:<model>`.
        threads: CPU threads of the forward pass; set for the whole process.
        device: `cpu`, `cuda`, or `auto` (the GPU if there is one). Ask for a GPU in worker processes only.

    Raises:
        TrainingError: there is no such encoder, or its weights cannot be had; the message says what to do.
    """
    family, _, argument = name.partition(":")
    if family not in families():
        raise TrainingError(f"There is no encoder {name!r}; choose one of {', '.join(families())}.")
    module = importlib.import_module(f"training.encoders.{family}")
    encoder: Encoder = module.build(argument, threads=threads, device=device)
    return encoder
