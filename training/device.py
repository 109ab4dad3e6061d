"""Where networks compute, and their weights away from there."""

from __future__ import annotations

import torch
from torch import nn


def pick_device(device: str) -> torch.device:
    """`auto` -> the GPU if there is one, else the CPU; any other name as torch reads it."""
    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "cpu"
    return torch.device(device)


def weights_of(network: nn.Module) -> dict[str, torch.Tensor]:
    """A copy on the CPU of everything in the network's state, by name; later steps do not change it."""
    return {name: tensor.detach().cpu().clone() for name, tensor in network.state_dict().items()}
