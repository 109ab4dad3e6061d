"""A line of a YOLO label file: a box or a polygon as shares of the image's sides, and columns that others add.

`class x y w h` is a box, `class x1 y1 x2 y2 x3 y3 ...` a polygon. Detectors write a confidence and a track number
behind either, pose files key points behind the box. What a line means is decided by its numbers and by the other lines
of the folder; what may mean two things is left out.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from training.data.reading import clipped
from training.data.values import DECIMAL_COMMA, Unusable, number, numbers, whole
from training.geometry.polygons import fill, window_of
from training.geometry.runs import Runs, from_window, pixels
from training.types import FloatArray

MARGIN = 0.1
"""So far outside of 0 to 1 a share may lie: drawn over the edge, not written in another unit."""
EDGE = 0.02
"""So far over the edge a box may reach for its numbers to be taken for a box where a polygon is possible as well."""

_DECIMAL_COMMA = re.compile(r"(?:^|[\s;])[+-]?\d+,\d+(?:[eE][+-]?\d+)?(?=$|[\s;])")
_BETWEEN = re.compile(r"[\s,;]+")
NO_SHARES = "its numbers are not fractions of the image's width and height"


@dataclass(frozen=True)
class Hints:
    """What the lines of a folder tell about each other.

    Attributes:
        keypoints: numbers behind each box that are key points, by the folder's description.
        outlines: some line can only be a polygon.
        extras: some line can only be a box with further columns.
        angles: some fifth number is not a confidence.
    """

    keypoints: int = 0
    outlines: bool = False
    extras: bool = False
    angles: bool = False


def split_line(line: str) -> list[str]:
    """The columns of a line, whether blanks, tabs, commas or semicolons separate them.

    Raises:
        Unusable: its commas stand for points.
    """
    if _DECIMAL_COMMA.search(line):
        raise Unusable(DECIMAL_COMMA)
    return [word for word in _BETWEEN.split(line) if word]


def hints_of(lines: Iterable[str], keypoints: int) -> Hints:
    """Look over the lines of a folder."""
    outlines = extras = angles = False
    for line in lines:
        try:
            values = numbers(split_line(line)[1:])
        except Unusable:
            continue
        count = len(values)
        if keypoints and count == 4 + keypoints:
            continue
        if count == 5:
            angles |= not 0 <= values[4] <= 1
            extras |= 0 <= values[4] <= 1
        elif count >= 6:
            can_be_polygon = _inside(values[: count - count % 2])
            extras |= not can_be_polygon and _is_box(values)
            outlines |= can_be_polygon and count >= 8
    return Hints(keypoints, outlines, extras, angles)


def place_in(words: list[str], size: tuple[int, int], hints: Hints) -> tuple[FloatArray, Runs | None]:
    """The box of a line, px inside an image of `(height, width)`, and its outline where it is a polygon.

    Raises:
        Unusable: nothing certain is there.
    """
    height, width = size
    values = numbers(words[1:])
    if _is_polygon(values, hints):
        points = np.array(values[: len(values) - len(values) % 2]).reshape(-1, 2) * (width, height)
        window = window_of(points, size)
        mask = from_window(fill(points, window), window[:2], size)
        if not pixels(mask):
            raise Unusable("its outline covers no pixel of the image")
        (x1, y1), (x2, y2) = points.min(axis=0), points.max(axis=0)
        return clipped(x1, y1, x2, y2, size), mask
    # Sides are measured from the center, so their sign says nothing.
    shares = [*values[:2], abs(values[2]), abs(values[3])]
    if not _inside(shares):
        raise Unusable(NO_SHARES)
    x, y, w, h = np.array(shares) * (width, height, width, height)
    return clipped(x - w / 2, y - h / 2, x + w / 2, y + h / 2, size), None


def class_in(words: list[str]) -> int:
    """The class number of a line.

    Raises:
        Unusable: it has none.
    """
    try:
        number(words[0])
    except Unusable:
        raise Unusable("it does not start with a class number", words[0][:20]) from None
    return whole(words[0])


def _is_polygon(values: list[float], hints: Hints) -> bool:
    """Whether the numbers of a line are a polygon; else the first four are a box."""
    count = len(values)
    if count == 4 or (hints.keypoints and count == 4 + hints.keypoints):
        return False
    if count < 4:
        raise Unusable("it has too few numbers for a box", str(count))
    if count == 5:
        if hints.angles:
            raise Unusable("the fifth number after the class is not a confidence", "an angle?")
        return False
    is_odd = count % 2
    polygon = _inside(values[: count - is_odd]) and (not is_odd or 0 <= values[-1] <= 1)
    box = _is_box(values)
    if polygon and (not box or count >= 8):
        return True
    if polygon and box and hints.outlines != hints.extras:
        return hints.outlines
    if polygon and box:
        raise Unusable("it may be a polygon, or a box with additional columns such as confidence and track number")
    if not box:
        raise Unusable(NO_SHARES)
    return False


def _inside(values: list[float]) -> bool:
    return all(-MARGIN <= value <= 1 + MARGIN for value in values)


def _is_box(values: list[float]) -> bool:
    """Whether the first four numbers are a box that lies in the image, and the fifth may be a confidence."""
    x, y, w, h = values[:4]
    fits = w > 0 and h > 0 and min(x - w / 2, y - h / 2) >= -EDGE and max(x + w / 2, y + h / 2) <= 1 + EDGE
    return fits and (len(values) < 5 or 0 <= values[4] <= 1)
