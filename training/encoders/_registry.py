"""Encoder by name: the part before the colon is a file of this folder."""

from __future__ import annotations

import importlib
import pkgutil
import re
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from training.encoders._base import Encoder
from training.types import TrainingError

if TYPE_CHECKING:
    from torch import nn

    from training.encoders._network import PixelRecipe


def families() -> list[str]:
    """Names of the encoder families there are, sorted."""
    names = (module.name for module in pkgutil.iter_modules([str(Path(__file__).parent)]))
    return sorted(name for name in names if not name.startswith("_"))


@lru_cache(maxsize=2)
def load_encoder(name: str, *, threads: int = 1, device: str = "cpu") -> Encoder:
    """Build an encoder, or return the one already built in this process.

    Args:
        name: `lite0` (bundled ImageNet weights, works offline), `timm:<model>` or `torchvision:<model>`;
            the last two take `@<file>` behind the model for weights on disk.
        threads: CPU threads of the forward pass; set for the whole process.
        device: `cpu`, `cuda`, or `auto` (the GPU if there is one). Ask for a GPU in worker processes only.

    Raises:
        TrainingError: there is no such encoder, or its weights cannot be had; the message says what to do.
    """
    # Imported late: naming encoders must not cost a web process torch.
    from training.encoders._network import NetworkEncoder

    network, recipe = load_features(name)
    readable = re.sub(r"[^A-Za-z0-9._]+", "-", name.partition("@")[0])
    return NetworkEncoder(readable, network, recipe, threads=threads, device=device)


def load_features(name: str, *, pretrained: bool = True) -> tuple[nn.Module, PixelRecipe]:
    """The network behind an encoder, to be trained further, and how pixels reach it.

    Args:
        name: as for `load_encoder`.
        pretrained: False for the bare architecture, whose weights the caller has.

    Raises:
        TrainingError: there is no such encoder, or its weights cannot be had.
    """
    family, _, argument = name.partition(":")
    if family not in families():
        raise TrainingError(f"There is no encoder {name!r}; choose one of {', '.join(families())}.")
    module = importlib.import_module(f"training.encoders.{family}")
    answer: tuple[nn.Module, PixelRecipe] = module.features(argument, pretrained=pretrained)
    return answer
