"""Objects cut out on an even black or white ground: their outline must not pass for texture."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

DARKEST, BRIGHTEST = 4, 251
LEAST_GROUND = 0.05
STEP = 40.0
"""Gray levels between the ground and what lies beside it; fluorescence fades into its dark ground instead."""


def cut_out_ground(small: NDArray[np.uint8]) -> NDArray[np.bool_] | None:
    """The even ground around a cut-out object, or None when the picture is not a cut-out.

    Args:
        small: `(h, w, 3)` uint8.

    Returns:
        `(h, w)` bool, True on the ground.
    """
    for even in (small.max(axis=2) <= DARKEST, small.min(axis=2) >= BRIGHTEST):
        ground = _touching_border(even)
        if ground.mean() >= LEAST_GROUND and _sharp_edge(small, ground):
            return ground
    return None


def _touching_border(even: NDArray[np.bool_]) -> NDArray[np.bool_]:
    _, numbers = cv2.connectedComponents(even.astype(np.uint8), connectivity=4)
    border = np.concatenate([numbers[0], numbers[-1], numbers[:, 0], numbers[:, -1]])
    return np.asarray(np.isin(numbers, np.setdiff1d(border, [0])) & even)


def _sharp_edge(small: NDArray[np.uint8], ground: NDArray[np.bool_]) -> bool:
    near = cv2.dilate(ground.astype(np.uint8), np.ones((3, 3), np.uint8))
    ring = cv2.dilate(near, np.ones((7, 7), np.uint8)).astype(bool) & ~near.astype(bool)
    if not ring.any():
        return False
    grey = small.mean(axis=2)
    return abs(float(np.median(grey[ring])) - float(np.median(grey[ground]))) >= STEP
