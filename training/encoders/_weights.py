"""Weights from a file on disk, or a clear error if there are none."""

from __future__ import annotations

from pathlib import Path

import safetensors.torch
import torch
from torch import nn

from training.types import TrainingError


def read_weights(path: Path) -> dict[str, torch.Tensor]:
    """Tensors by name from a `.safetensors` file or a torch file of plain tensors; nothing is unpickled.

    Raises:
        TrainingError: the file is missing, damaged, or holds more than tensors.
    """
    try:
        if path.suffix == ".safetensors":
            return safetensors.torch.load_file(path)
        content = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:
        raise TrainingError(
            f"The weights in {path} cannot be read ({error}); give a .safetensors or .pth file."
        ) from error
    if isinstance(content, dict) and isinstance(content.get("state_dict"), dict):
        content = content["state_dict"]
    if not isinstance(content, dict) or not all(isinstance(value, torch.Tensor) for value in content.values()):
        raise TrainingError(
            f"The file {path} contains no plain tensors. Save the network's state_dict and use that file."
        )
    return content


def fill(network: nn.Module, weights: dict[str, torch.Tensor], what: str) -> None:
    """Load weights into a network; tensors of a classifier that the network has no more are passed over.

    Raises:
        TrainingError: a tensor of the network is missing, or has another shape.
    """
    own = network.state_dict()
    try:
        network.load_state_dict({name: tensor for name, tensor in weights.items() if name in own})
    except RuntimeError as error:
        first = str(error).splitlines()[-1].strip()[:160]
        raise TrainingError(
            f"The weights do not match {what} ({first}). Use the weights of exactly that network."
        ) from error


def cannot_be_had(name: str, error: Exception) -> TrainingError:
    """The error for a library that could not download weights."""
    short = str(error).splitlines()[0][:200] if str(error) else type(error).__name__
    return TrainingError(
        f"The weights of {name} cannot be downloaded ({short}). Connect this machine to the network, write "
        f"{name}@<file> with weights on disk, or use lite0, which needs no network."
    )
