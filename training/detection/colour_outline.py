"""The object inside a box or around a point, found by color alone: for the time before a model has learned anything.

Rother, Kolmogorov, Blake (2004), GrabCut: Interactive Foreground Extraction using Iterated Graph Cuts,
doi:10.1145/1015706.1015720. The extent of an object around a point comes from Otsu's threshold in windows that grow
until they enclose it: Otsu (1979), A Threshold Selection Method from Gray-Level Histograms,
doi:10.1109/TSMC.1979.4310076.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from training.data.images import RGBArray
from training.geometry.runs import Runs, from_window
from training.types import TrainingError

Bitmap = NDArray[np.uint8]
Point = tuple[float, float]
"""x, y in px."""
Box = tuple[float, float, float, float]
"""x1, y1, x2, y2 in px."""

WORKING_SIDE = 192
"""px of the longer side at which the cut is computed, whatever the size of the object."""
MARGIN = 0.35
"""Share of the box's longer side looked at around it, as background."""
ROUNDS = 4
LEAST_SHARE, MOST_SHARE = 0.1, 0.99
"""A cut that covers less or more of its box found nothing; the ellipse in the box is then the better answer."""
FIRST_WINDOW = 16
"""px, side of the smallest window searched around a point."""
GROWTH = 1.5


@dataclass(frozen=True)
class Found:
    """An outline.

    Attributes:
        mask: over the whole image.
        method: how it was found, in words.
    """

    mask: Runs
    method: str


def in_box(pixels: RGBArray, box: Box, inside: Sequence[Point] = (), outside: Sequence[Point] = ()) -> Found:
    """The object in a box; work and memory follow the box up to a fixed size.

    Args:
        pixels: `(h, w, 3)` uint8.
        box: reaches at least one px into the image.
        inside: points that belong to the object.
        outside: points that do not.

    Raises:
        TrainingError: the box has no area inside the image.
    """
    size = (pixels.shape[0], pixels.shape[1])
    x1, y1, x2, y2 = _whole(box, size)
    margin = max(4, math.ceil(MARGIN * max(x2 - x1, y2 - y1)))
    left, top = max(0, x1 - margin), max(0, y1 - margin)
    crop = pixels[top : min(size[0], y2 + margin), left : min(size[1], x2 + margin)]
    small, scale = _working(crop)
    within = tuple(value * scale for value in (x1 - left, y1 - top, x2 - left, y2 - top))
    moved = [[((x - left) * scale, (y - top) * scale) for x, y in points] for points in (inside, outside)]
    bitmap, method = _cut(small, within, *moved)
    full = cv2.resize(bitmap * 255, (crop.shape[1], crop.shape[0]), interpolation=cv2.INTER_LINEAR) > 127
    # Nothing outside of what the expert drew.
    full[: y1 - top], full[y2 - top :], full[:, : x1 - left], full[:, x2 - left :] = 0, 0, 0, 0
    if not full.any():
        full[(y1 + y2) // 2 - top, (x1 + x2) // 2 - left] = True
    return Found(from_window(full, (left, top), size), method)


def at_point(pixels: RGBArray, inside: Sequence[Point], outside: Sequence[Point] = ()) -> Found:
    """The object that the first point of `inside` lies on; further points only correct its outline.

    Raises:
        TrainingError: the point is not on the image.
    """
    height, width = pixels.shape[:2]
    x, y = inside[0]
    if not (0 <= x < width and 0 <= y < height):
        raise TrainingError("The point is outside the image. Click on an object.")
    return in_box(pixels, extent(pixels, (x, y), inside[1:]), inside, outside)


def extent(pixels: RGBArray, point: Point, also: Sequence[Point] = ()) -> Box:
    """A box around the object that a point lies on: the smallest window whose part of like color ends inside of it."""
    height, width = pixels.shape[:2]
    box: Box | None = None
    side = float(FIRST_WINDOW)
    while box is None and side < 2 * max(height, width):
        box = _enclosed(pixels, point, side)
        side *= GROWTH
    if box is None:
        reach = 0.1 * min(height, width)
        box = (point[0] - reach, point[1] - reach, point[0] + reach, point[1] + reach)
    for x, y in also:
        box = (min(box[0], x - 1), min(box[1], y - 1), max(box[2], x + 1), max(box[3], y + 1))
    return box


def _enclosed(pixels: RGBArray, point: Point, side: float) -> Box | None:
    """The box of the part around the window's center that looks like it; None when it reaches the window's edge."""
    height, width = pixels.shape[:2]
    x1, y1 = max(0, int(point[0] - side / 2)), max(0, int(point[1] - side / 2))
    x2, y2 = min(width, math.ceil(point[0] + side / 2) + 1), min(height, math.ceil(point[1] + side / 2) + 1)
    small, scale = _working(pixels[y1:y2, x1:x2])
    lab = cv2.GaussianBlur(cv2.cvtColor(small, cv2.COLOR_RGB2LAB), (0, 0), 0.015 * max(small.shape)).astype(np.float32)
    column, row = int((point[0] - x1) * scale), int((point[1] - y1) * scale)
    seed = lab[max(0, row - 2) : row + 3, max(0, column - 2) : column + 3].reshape(-1, 3).mean(axis=0)
    distance = np.linalg.norm(lab - seed, axis=2)
    level = np.clip(distance / max(float(distance.max()), 1e-6) * 255, 0, 255).astype(np.uint8)
    limit, alike = cv2.threshold(level, 0, 1, cv2.THRESH_BINARY_INV + cv2.THRESH_OTSU)
    part = _part_at(alike.astype(np.uint8), (row, column))
    if part is None or not _stands_out(level, limit):
        return None
    rows, columns = np.flatnonzero(part.any(axis=1)), np.flatnonzero(part.any(axis=0))
    upright = (rows[0] > 0 or y1 == 0) and (rows[-1] < len(part) - 1 or y2 == height)
    across = (columns[0] > 0 or x1 == 0) and (columns[-1] < part.shape[1] - 1 or x2 == width)
    if not (upright and across) or part.mean() > 0.7:
        return None
    grown = 2 / scale
    return (
        x1 + columns[0] / scale - grown,
        y1 + rows[0] / scale - grown,
        x1 + (columns[-1] + 1) / scale + grown,
        y1 + (rows[-1] + 1) / scale + grown,
    )


def _stands_out(level: Bitmap, limit: float) -> bool:
    """Whether the two sides of a threshold are apart by more than they spread."""
    values = level.astype(np.float32)
    near, far = values[values <= limit], values[values > limit]
    if not len(near) or not len(far):
        return False
    return bool(far.mean() - near.mean() > 1.5 * (near.std() + far.std()))


def _whole(box: Box, size: tuple[int, int]) -> tuple[int, int, int, int]:
    if not np.isfinite(box).all():
        raise TrainingError("The box has a coordinate that is not a number. Draw it again.")
    x1, y1 = max(0, math.floor(box[0])), max(0, math.floor(box[1]))
    x2, y2 = min(size[1], math.ceil(box[2])), min(size[0], math.ceil(box[3]))
    if x2 <= x1 or y2 <= y1 or box[2] <= box[0] or box[3] <= box[1]:
        raise TrainingError("The box covers less than a pixel of the image. Draw a larger one.")
    return x1, y1, x2, y2


def _working(crop: RGBArray) -> tuple[RGBArray, float]:
    """The crop at a size that takes the same time whatever the object's, and its px per px of the image."""
    scale = min(4.0, WORKING_SIDE / max(crop.shape[:2]))
    size = (max(1, round(crop.shape[1] * scale)), max(1, round(crop.shape[0] * scale)))
    how = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(crop, size, interpolation=how), dtype=np.uint8), scale


def _cut(small: RGBArray, box: tuple[float, ...], inside: list[Point], outside: list[Point]) -> tuple[Bitmap, str]:
    """Foreground `(h, w)` of 0 and 1, and how it was found."""
    marks, oval = _marks(small.shape[:2], box, inside, outside)
    room = float((box[2] - box[0]) * (box[3] - box[1]))
    known = marks == cv2.GC_BGD, marks != cv2.GC_BGD
    if all(part.sum() >= 16 for part in known) and room >= 64:
        models = np.zeros((1, 65)), np.zeros((1, 65))
        # OpenCV draws its first clusters from a generator of its own; the same drawing must give the same outline.
        cv2.setRNGSeed(1)
        cv2.grabCut(small, marks, None, *models, ROUNDS, cv2.GC_INIT_WITH_MASK)
        bitmap = ((marks == cv2.GC_FGD) | (marks == cv2.GC_PR_FGD)).astype(np.uint8)
        part = _chosen(bitmap, oval, inside)
        if part is not None and outside:
            # A filled hole may hold a point that the expert took away.
            part[_near(part.shape, outside, 0.05 * (box[2] - box[0]))] = 0
            part = _chosen(part, oval, inside, fill=False)
        if part is not None and LEAST_SHARE * room <= part.sum() <= MOST_SHARE * room:
            return part, "colours"
    return oval, "the shape of the box"


def _marks(
    shape: tuple[int, ...], box: tuple[float, ...], inside: list[Point], outside: list[Point]
) -> tuple[Bitmap, Bitmap]:
    """GrabCut's first guess, and the ellipse in the box."""
    rows, columns = np.mgrid[: shape[0], : shape[1]] + 0.5
    centre, radii = ((box[0] + box[2]) / 2, (box[1] + box[3]) / 2), ((box[2] - box[0]) / 2, (box[3] - box[1]) / 2)
    away = ((columns - centre[0]) / radii[0]) ** 2 + ((rows - centre[1]) / radii[1]) ** 2
    marks = np.full(shape, cv2.GC_BGD, dtype=np.uint8)
    within = (columns >= box[0]) & (columns <= box[2]) & (rows >= box[1]) & (rows <= box[3])
    marks[within] = cv2.GC_PR_BGD
    marks[away <= 1] = cv2.GC_PR_FGD
    marks[away <= 0.1] = cv2.GC_FGD
    marks[away > 1.5] = cv2.GC_BGD
    marks[_near(shape, inside, 0)] = cv2.GC_FGD
    marks[_near(shape, outside, 0.05 * (box[2] - box[0]))] = cv2.GC_BGD
    return marks, (away <= 1).astype(np.uint8)


def _near(shape: tuple[int, ...], points: list[Point], reach: float) -> NDArray[np.bool_]:
    """Pixels within `reach` px, at least 3, of any of the points."""
    rows, columns = np.mgrid[: shape[0], : shape[1]] + 0.5
    near = np.zeros(shape, dtype=bool)
    for x, y in points:
        near |= (columns - x) ** 2 + (rows - y) ** 2 <= max(reach, 3.0) ** 2
    return near


def _chosen(bitmap: Bitmap, oval: Bitmap, inside: list[Point], *, fill: bool = True) -> Bitmap | None:
    """The part that holds the points, else the one that covers most of the middle; without holes if asked."""
    smooth = cv2.medianBlur(bitmap * 255, 5) // 255
    count, labels = cv2.connectedComponents(smooth)
    if count < 2:
        return None
    votes = np.bincount(labels[oval > 0], minlength=count).astype(np.float64)
    for x, y in inside:
        row, column = min(max(int(y), 0), labels.shape[0] - 1), min(max(int(x), 0), labels.shape[1] - 1)
        votes[labels[row, column]] += labels.size
    votes[0] = -1
    part = (labels == int(votes.argmax())).astype(np.uint8)
    return _filled(part) if fill else part


def _part_at(bitmap: Bitmap, place: tuple[int, int]) -> Bitmap | None:
    _, labels = cv2.connectedComponents(bitmap, connectivity=4)
    number = labels[place]
    return _filled((labels == number).astype(np.uint8)) if number else None


def _filled(bitmap: Bitmap) -> Bitmap:
    lines, _ = cv2.findContours(bitmap, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    return np.asarray(cv2.drawContours(np.zeros_like(bitmap), lines, -1, 1, cv2.FILLED), dtype=np.uint8)
