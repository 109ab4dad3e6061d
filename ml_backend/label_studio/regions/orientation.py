"""Shapes drawn over a picture whose EXIF orientation was not applied -> shapes over the upright picture.

Browsers turn pictures upright, and PapLoop does too. Regions made by other tools may stand for the stored, unturned
picture; they tell by `original_width` and `original_height`.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from ml_backend.label_studio.regions.shapes import Brush, Ellipse, Polygon, Rectangle, Shape, Size
from training.geometry.runs import from_window, trim

Points = NDArray[np.float64]
TURNED = (5, 6, 7, 8)
"""EXIF orientations that swap width and height."""
MIRRORED = (2, 4, 5, 7)


def upright_size(stored: Size, orientation: int) -> Size:
    """Size `(height, width)` px of the picture as it is shown."""
    return (stored[1], stored[0]) if orientation in TURNED else stored


def upright(shape: Shape, stored: Size, orientation: int) -> Shape:
    """A shape over the stored picture of `stored` (height, width) px -> the same over the upright one.

    Args:
        shape: over the stored picture.
        stored: its size.
        orientation: the EXIF tag, 1 to 8; others count as 1.
    """
    if orientation not in range(2, 9):
        return shape
    match shape:
        case Polygon():
            moved = _move(np.array(shape.points, dtype=np.float64), stored, orientation)
            return Polygon(tuple((float(x), float(y)) for x, y in moved))
        case Ellipse():
            turn = math.radians(shape.rotation)
            tip = (shape.x + math.cos(turn), shape.y + math.sin(turn))
            (x, y), (tip_x, tip_y) = _move(np.array([(shape.x, shape.y), tip]), stored, orientation).tolist()
            rotation = math.degrees(math.atan2(tip_y - y, tip_x - x)) % 360
            return Ellipse(x, y, shape.radius_x, shape.radius_y, rotation)
        case Rectangle():
            return _rectangle(shape, stored, orientation)
        case Brush():
            return _brush(shape, stored, orientation)


def _move(points: Points, stored: Size, orientation: int) -> Points:
    height, width = stored
    x, y = points[:, 0], points[:, 1]
    moved = {
        2: (width - x, y),
        3: (width - x, height - y),
        4: (x, height - y),
        5: (y, x),
        6: (height - y, x),
        7: (height - y, width - x),
        8: (y, width - x),
    }[orientation]
    return np.stack(moved, axis=1)


def _rectangle(shape: Rectangle, stored: Size, orientation: int) -> Rectangle:
    turn = math.radians(shape.rotation)
    along = np.array([math.cos(turn), math.sin(turn)]) * shape.width
    down = np.array([-math.sin(turn), math.cos(turn)]) * shape.height
    corner = np.array([shape.x, shape.y])
    around = np.stack([corner, corner + along, corner + along + down, corner + down])
    moved = _move(around, stored, orientation)
    if orientation in MIRRORED:
        # A mirror runs around the corners the other way; begin at the next one to run clockwise again.
        moved = moved[[1, 0, 3, 2]]
    if shape.rotation % 90 == 0:
        low, high = moved.min(axis=0), moved.max(axis=0)
        return Rectangle(float(low[0]), float(low[1]), float(high[0] - low[0]), float(high[1] - low[1]))
    side = moved[1] - moved[0]
    rotation = math.degrees(math.atan2(float(side[1]), float(side[0]))) % 360
    return Rectangle(float(moved[0, 0]), float(moved[0, 1]), shape.width, shape.height, rotation)


def _brush(shape: Brush, stored: Size, orientation: int) -> Brush:
    (x, y), bitmap = trim(shape.mask)
    height, width = bitmap.shape
    ends = _move(np.array([(x, y), (x + width, y + height)], dtype=np.float64), stored, orientation)
    corner = ends.min(axis=0)
    turned = {
        2: bitmap[:, ::-1],
        3: bitmap[::-1, ::-1],
        4: bitmap[::-1],
        5: bitmap.T,
        6: bitmap.T[:, ::-1],
        7: bitmap.T[::-1, ::-1],
        8: bitmap.T[::-1],
    }[orientation]
    return Brush(from_window(turned, (int(corner[0]), int(corner[1])), upright_size(stored, orientation)))
