"""Places of an image that nobody judged: nothing there may be taught as background."""

from __future__ import annotations

from typing import Any

import torch


def unknown_places(boxes: torch.Tensor, truth: Any) -> torch.Tensor:
    """Which of `boxes` `(r, 4)` lie where nothing is known: mostly inside an ignore region, or centered outside of all
    checked places. `truth` carries both as `_ignore` `(k, 4)` and `_checked` `(c, 4)` or None."""
    ignore, checked = truth._ignore, truth._checked
    unknown = torch.zeros(len(boxes), dtype=torch.bool, device=boxes.device)
    for x1, y1, x2, y2 in ignore.tolist():
        width = (boxes[:, 2].clamp(max=x2) - boxes[:, 0].clamp(min=x1)).clamp(min=0)
        height = (boxes[:, 3].clamp(max=y2) - boxes[:, 1].clamp(min=y1)).clamp(min=0)
        own = (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])
        unknown |= width * height > 0.5 * own.clamp(min=1e-6)
    if checked is not None:
        x, y = (boxes[:, 0] + boxes[:, 2]) / 2, (boxes[:, 1] + boxes[:, 3]) / 2
        inside = torch.zeros_like(unknown)
        for x1, y1, x2, y2 in checked.tolist():
            inside |= (x >= x1) & (x < x2) & (y >= y1) & (y < y2)
        unknown |= ~inside
    return unknown
