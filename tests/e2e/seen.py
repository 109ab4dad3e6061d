"""What a screenshot shows: where the editor drew something, and where the picture has a colour."""

from __future__ import annotations

import io
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

Bitmap = NDArray[np.bool_]
Colours = NDArray[np.int16]


@dataclass(frozen=True)
class Box:
    """Left, top, right, bottom in px; right and bottom are the first px outside."""

    left: float
    top: float
    right: float
    bottom: float


def colours(png: bytes) -> Colours:
    """The picture as `(h, w, 3)` int16."""
    return np.asarray(Image.open(io.BytesIO(png)).convert("RGB"), dtype=np.int16)


def changed(before: bytes, after: bytes, least: int = 10) -> Bitmap:
    """Where two screenshots of one size differ by so much in some channel."""
    difference = np.abs(colours(after) - colours(before)).max(axis=2)
    return np.asarray(difference >= least)


def near(png: bytes, colour: tuple[int, int, int], within: int = 20) -> Bitmap:
    """Where a screenshot has a colour."""
    return np.asarray(np.abs(colours(png) - np.array(colour)).max(axis=2) <= within)


def box_around(bitmap: Bitmap) -> Box:
    """The tight box around the set px."""
    rows, columns = np.flatnonzero(bitmap.any(axis=1)), np.flatnonzero(bitmap.any(axis=0))
    assert len(rows), "the screenshot does not show what was looked for"
    return Box(float(columns[0]), float(rows[0]), float(columns[-1] + 1), float(rows[-1] + 1))


def parts(bitmap: Bitmap, least: int = 400) -> list[Bitmap]:
    """The connected parts of at least so many px."""
    count, numbers = cv2.connectedComponents(bitmap.astype(np.uint8), connectivity=4)
    found = [np.asarray(numbers == number) for number in range(1, count)]
    return [part for part in found if part.sum() >= least]


def around(bitmap: Bitmap, margin: int) -> Bitmap:
    """The px of the box around the set px, with a margin."""
    box = box_around(bitmap)
    window = np.zeros_like(bitmap)
    rows = slice(max(0, int(box.top) - margin), int(box.bottom) + margin)
    window[rows, max(0, int(box.left) - margin) : int(box.right) + margin] = True
    return window


def overlap(a: Bitmap, b: Bitmap) -> float:
    """Intersection over union."""
    return float((a & b).sum() / max(1, (a | b).sum()))


def centre(bitmap: Bitmap) -> tuple[float, float]:
    """Mean x and y of the set px."""
    rows, columns = np.nonzero(bitmap)
    return float(columns.mean()), float(rows.mean())
