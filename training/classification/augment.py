"""Views of a batch of cell images: turned by any angle, mirrored, scaled, shifted, lit and stained otherwise."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch.nn import functional


@dataclass(frozen=True)
class Augmentation:
    """How far a view may lie from its image.

    Attributes:
        turn: largest angle in degrees; 180 for cells, which have no upright.
        zoom: largest relative change of scale.
        shift: largest shift as a share of the side.
        light: largest relative change of brightness and contrast.
        stain: largest relative change of each color channel.
    """

    turn: float = 180.0
    zoom: float = 0.15
    shift: float = 0.06
    light: float = 0.15
    stain: float = 0.08


def augment(images: torch.Tensor, how: Augmentation, generator: torch.Generator) -> torch.Tensor:
    """One random view of each image.

    Args:
        images: `(n, 3, h, w)` float in 0..255.
        how: how far views may go.
        generator: CPU generator; equal states give equal views on any device.
    """
    n = len(images)

    def draw(count: int, reach: float) -> torch.Tensor:
        return ((torch.rand(n, count, generator=generator) * 2 - 1) * reach).to(images.device)

    angle = draw(1, how.turn)[:, 0] * (torch.pi / 180)
    scale = 1 + draw(1, how.zoom)[:, 0]
    mirror = torch.where(draw(1, 1.0)[:, 0] > 0, 1.0, -1.0)
    matrix = torch.zeros(n, 2, 3, device=images.device)
    matrix[:, 0, 0], matrix[:, 0, 1] = mirror * scale * angle.cos(), -scale * angle.sin()
    matrix[:, 1, 0], matrix[:, 1, 1] = mirror * scale * angle.sin(), scale * angle.cos()
    matrix[:, :, 2] = draw(2, 2 * how.shift)
    grid = functional.affine_grid(matrix, list(images.shape), align_corners=False)
    moved = functional.grid_sample(images, grid, mode="bilinear", padding_mode="reflection", align_corners=False)
    contrast = (1 + draw(1, how.light))[:, :, None, None]
    gain = (1 + draw(1, how.light) + draw(3, how.stain))[:, :, None, None]
    middle = moved.mean(dim=(2, 3), keepdim=True)
    return (((moved - middle) * contrast + middle) * gain).clamp(0, 255)
