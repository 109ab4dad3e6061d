"""Outlines as training targets: one small picture per object, whatever the size of the image."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from training.data.detection_set import LabelledImage
from training.geometry.runs import Runs, window
from training.types import FloatArray

CHIP = 56
"""px, side of the stored picture: twice what the mask head predicts."""

Chips = NDArray[np.uint8]


def chips_of(image: LabelledImage) -> Chips:
    """`(r, CHIP, CHIP)` uint8, 0..255: what part of each place inside its box the object covers."""
    chips = np.zeros((len(image.boxes), CHIP, CHIP), dtype=np.uint8)
    for index, runs in enumerate(image.outlines):
        chips[index] = _chip(runs, image.boxes[index], image.size)
    return chips


def _chip(runs: Runs, box: FloatArray, size: tuple[int, int]) -> Chips:
    height, width = size
    x1, y1 = max(0, int(box[0])), max(0, int(box[1]))
    x2, y2 = min(width, int(np.ceil(box[2]))), min(height, int(np.ceil(box[3])))
    bitmap = window(runs, (x1, y1, x2, y2)).astype(np.float32) * 255
    # Pixel centers stand at +0.5: chip pixel (i + 0.5) / CHIP of the box maps to window coordinate minus 0.5.
    scale_x, scale_y = (box[2] - box[0]) / CHIP, (box[3] - box[1]) / CHIP
    if scale_x > 2 or scale_y > 2:
        # Averages areas first, or thin parts of large objects would be lost between the samples.
        return np.asarray(cv2.resize(bitmap, (CHIP, CHIP), interpolation=cv2.INTER_AREA)).astype(np.uint8)
    columns = ((np.arange(CHIP) + 0.5) * scale_x + box[0] - x1 - 0.5).astype(np.float32)
    rows = ((np.arange(CHIP) + 0.5) * scale_y + box[1] - y1 - 0.5).astype(np.float32)
    grid_x, grid_y = np.meshgrid(columns, rows)
    return np.asarray(cv2.remap(bitmap, grid_x, grid_y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)).astype(
        np.uint8
    )


class ChipMasks:
    """The `gt_masks` of Detectron2's `Instances`, stored relative to each object's own box.

    Args:
        chips: `(r, CHIP, CHIP)` float32 in [0, 1].
        boxes: `(r, 4)` float32 px of the network: where the chips lie; may reach outside of the crop.
    """

    def __init__(self, chips: torch.Tensor, boxes: torch.Tensor) -> None:
        self.chips = chips
        self.boxes = boxes

    def __len__(self) -> int:
        return len(self.chips)

    def __getitem__(self, index: Any) -> ChipMasks:
        return ChipMasks(self.chips[index], self.boxes[index])

    def to(self, *args: Any, **kwargs: Any) -> ChipMasks:
        """The same on another device."""
        return ChipMasks(self.chips.to(*args, **kwargs), self.boxes.to(*args, **kwargs))

    @property
    def device(self) -> torch.device:
        """Where the tensors are."""
        return self.chips.device

    def crop_and_resize(self, boxes: torch.Tensor, side: int) -> torch.Tensor:
        """Each object's mask inside another box, row i of `boxes` `(r, 4)` px -> `(r, side, side)` float32, 0 to 1."""
        if not len(self):
            return self.chips.new_zeros(0, side, side)
        steps = (torch.arange(side, device=self.device, dtype=torch.float32) + 0.5) / side
        extent = boxes[:, 2:] - boxes[:, :2]
        own = (self.boxes[:, 2:] - self.boxes[:, :2]).clamp(min=1e-3)
        # Positions in the chip, -1 .. 1 from edge to edge, as grid_sample (align_corners=False) counts.
        position = (boxes[:, None, :2] + steps[None, :, None] * extent[:, None] - self.boxes[:, None, :2]) / own[
            :, None
        ]
        position = 2 * position - 1
        grid = torch.stack(
            [
                position[:, None, :, 0].expand(-1, side, -1),
                position[:, :, None, 1].expand(-1, -1, side),
            ],
            dim=-1,
        )
        sampled = torch.nn.functional.grid_sample(self.chips[:, None], grid, align_corners=False)
        return sampled[:, 0]
