"""The eight turns and mirrors of a whole frame, found on thumbnails: cheap, and it works without local features."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from strategies.near_duplicates.verification.picture import Matrix, Picture

SIDE = 32
"""Px of the square thumbnail."""

DIMENSION = SIDE * SIDE
ALIKE = 0.85
_BROAD = SIDE / 8
_FAINT = 2.0


def thumbnail(picture: Picture) -> NDArray[np.float32]:
    """`(32, 32)` float32 of unit length: the frame squeezed to a square, without its broad shading.

    Two fields of empty glass share their shading and nothing else. A frame with hardly any detail gives zeros.
    """
    small = cv2.resize(picture.grey, (SIDE, SIDE), interpolation=cv2.INTER_AREA).astype(np.float32)
    detail = small - cv2.GaussianBlur(small, (0, 0), _BROAD, borderType=cv2.BORDER_REFLECT)
    detail -= detail.mean()
    length = float(np.linalg.norm(detail))
    return np.asarray(detail / length if length > _FAINT * SIDE else np.zeros_like(detail), np.float32)


def eight(thumb: NDArray[np.float32]) -> NDArray[np.float32]:
    """`(8, 1024)`: the thumbnail in its eight turns; number i is `i % 4` quarter turns, from 4 on mirrored first."""
    views = [np.rot90(side, quarter) for side in (thumb, thumb[:, ::-1]) for quarter in range(4)]
    return np.stack([view.ravel() for view in views]).astype(np.float32)


def best_turn(first: Picture, second: Picture) -> Matrix | None:
    """The map of the first whole frame onto the second, when one of the eight turns makes them alike."""
    likeness = eight(thumbnail(first)) @ thumbnail(second).ravel()
    number = int(np.argmax(likeness))
    return turn_matrix(number, first.grey.shape, second.grey.shape) if likeness[number] >= ALIKE else None


def turn_matrix(number: int, first: tuple[int, ...], second: tuple[int, ...]) -> Matrix:
    """The map of a whole frame of shape `first` onto one of shape `second` for a turn of `eight`."""
    turn = np.array([[1.0, 0.0], [0.0, 1.0]])
    if number >= 4:
        turn = np.array([[-1.0, 0.0], [0.0, 1.0]])
    for _ in range(number % 4):
        # a quarter turn counter-clockwise on the screen, where y points down
        turn = np.array([[0.0, 1.0], [-1.0, 0.0]]) @ turn
    (h, w), (height, width) = first[:2], second[:2]
    linear = np.diag([width, height]) @ turn @ np.diag([1 / w, 1 / h])
    centre_first, centre_second = np.array([w - 1, h - 1]) / 2, np.array([width - 1, height - 1]) / 2
    return np.column_stack([linear, centre_second - linear @ centre_first])
