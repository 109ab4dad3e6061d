"""Where networks compute."""

from __future__ import annotations

import torch


def pick_device(device: str) -> torch.device:
    """`auto` -> the GPU if there is one, else the CPU; any other name as torch reads it."""
    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "cpu"
    return torch.device(device)
