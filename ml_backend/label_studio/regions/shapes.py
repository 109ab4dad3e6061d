"""The shapes that annotators draw, in px of the upright image, and their form in Label Studio's results.

Label Studio counts in percent of the image as browsers show it (EXIF orientation applied). A rectangle turns clockwise
around its upper left corner, an ellipse around its center, both in px. The rotation of the whole image in the editor
(`image_rotation`) only changes the display since Label Studio 1.0: coordinates stay those of the upright image.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ml_backend.errors import BadRequest
from ml_backend.label_studio.regions.brush import decode_brush, encode_brush
from training.data.values import Unusable, number, numbers
from training.geometry.polygons import fill, window_of
from training.geometry.runs import Runs, box_of, from_window, trim

Size = tuple[int, int]
"""`(height, width)` px."""
Points = NDArray[np.float64]

_ELLIPSE_POINTS = 96
FARTHEST = 1000
"""So many sides beside the image nobody draws: such numbers are damaged, and too large to reckon with."""


@dataclass(frozen=True)
class Rectangle:
    """Upper left corner, sides in px, and degrees clockwise around that corner."""

    x: float
    y: float
    width: float
    height: float
    rotation: float = 0.0


@dataclass(frozen=True)
class Ellipse:
    """Center, radii in px, and degrees clockwise."""

    x: float
    y: float
    radius_x: float
    radius_y: float
    rotation: float = 0.0


@dataclass(frozen=True)
class Polygon:
    """Corners in px, `((x, y), ...)`."""

    points: tuple[tuple[float, float], ...]


@dataclass(frozen=True)
class Brush:
    """A mask as COCO runs."""

    mask: Runs


Shape = Rectangle | Ellipse | Polygon | Brush


def shape_of(value: Mapping[str, object], size: Size) -> Shape:
    """The shape in the `value` of a result.

    Raises:
        BadRequest: it is not a shape that PapLoop knows, or its numbers are damaged.
    """
    height, width = size
    try:
        if "rle" in value:
            code = value["rle"]
            return Brush(decode_brush(code if isinstance(code, Sequence) else (), size))
        if "points" in value:
            return _polygon(value["points"], size)
        x, y = _px(value.get("x"), width), _px(value.get("y"), height)
        rotation = number(value.get("rotation") or 0)
        if "radiusX" in value:
            return Ellipse(x, y, _px(value["radiusX"], width), _px(value.get("radiusY"), height), rotation)
        return Rectangle(x, y, _px(value.get("width"), width), _px(value.get("height"), height), rotation)
    except Unusable as error:
        raise BadRequest(f"The shape of a region cannot be read ({error}). Draw it again.") from error


def _polygon(points: object, size: Size) -> Polygon:
    pairs = [numbers(point) for point in points] if isinstance(points, list | tuple) else []
    if len(pairs) < 3:
        raise Unusable("a polygon needs three corners")
    if any(len(pair) != 2 for pair in pairs):
        raise Unusable("a corner of a polygon is not two numbers")
    height, width = size
    return Polygon(tuple((_px(x, width), _px(y, height)) for x, y in pairs))


def _px(percent: object, side: int) -> float:
    """Percent of a side in px."""
    share = number(percent) / 100
    if abs(share) > FARTHEST:
        raise Unusable("its coordinates are far outside the image")
    return share * side


def value_of(shape: Shape, size: Size) -> dict[str, object]:
    """The geometry of a result's `value`, without its labels."""
    height, width = size
    match shape:
        case Rectangle():
            return {
                "x": shape.x / width * 100,
                "y": shape.y / height * 100,
                "width": shape.width / width * 100,
                "height": shape.height / height * 100,
                "rotation": shape.rotation,
            }
        case Ellipse():
            return {
                "x": shape.x / width * 100,
                "y": shape.y / height * 100,
                "radiusX": shape.radius_x / width * 100,
                "radiusY": shape.radius_y / height * 100,
                "rotation": shape.rotation,
            }
        case Polygon():
            return {"points": [[x / width * 100, y / height * 100] for x, y in shape.points], "closed": True}
        case Brush():
            return {"format": "rle", "rle": encode_brush(shape.mask)}


def corners(shape: Rectangle | Ellipse | Polygon) -> Points:
    """The line around a shape as `(n, 2)` px; an ellipse in 96 steps."""
    match shape:
        case Polygon():
            return np.array(shape.points, dtype=np.float64)
        case Rectangle():
            local = np.array([(0, 0), (shape.width, 0), (shape.width, shape.height), (0, shape.height)])
        case Ellipse():
            angles = np.linspace(0, 2 * np.pi, _ELLIPSE_POINTS, endpoint=False)
            # A polygon inside the ellipse is a little smaller; the factor gives it the ellipse's area.
            swell = math.sqrt(2 * np.pi / _ELLIPSE_POINTS / math.sin(2 * np.pi / _ELLIPSE_POINTS))
            local = swell * np.stack([shape.radius_x * np.cos(angles), shape.radius_y * np.sin(angles)], axis=1)
    turn = math.radians(shape.rotation)
    matrix = np.array([(math.cos(turn), math.sin(turn)), (-math.sin(turn), math.cos(turn))])
    return np.asarray(local @ matrix + (shape.x, shape.y), dtype=np.float64)


def bounding_box(shape: Shape, size: Size) -> NDArray[np.float32] | None:
    """The upright box `(4,)` float32 around a shape, cut to the image; None when nothing of it lies inside."""
    height, width = size
    if isinstance(shape, Brush):
        tight = _tight(shape.mask)
        return None if tight is None else np.array(tight, dtype=np.float32)
    if isinstance(shape, Ellipse):
        # Exact, where the corners of its polygon would be a little off.
        turn = math.radians(shape.rotation)
        reach_x = math.hypot(shape.radius_x * math.cos(turn), shape.radius_y * math.sin(turn))
        reach_y = math.hypot(shape.radius_x * math.sin(turn), shape.radius_y * math.cos(turn))
        points = np.array([(shape.x - reach_x, shape.y - reach_y), (shape.x + reach_x, shape.y + reach_y)])
    else:
        points = corners(shape)
    low = np.clip(points.min(axis=0), 0, (width, height))
    high = np.clip(points.max(axis=0), 0, (width, height))
    return None if (high <= low).any() else np.concatenate([low, high]).astype(np.float32)


def mask_of(shape: Shape, size: Size) -> Runs:
    """The pixels of a shape whose centers lie inside it; work and memory follow the shape."""
    if isinstance(shape, Brush):
        return shape.mask
    points = corners(shape)
    window = window_of(points, size)
    return from_window(fill(points, window), window[:2], size)


def _tight(mask: Runs) -> tuple[int, int, int, int] | None:
    if box_of(mask) is None:
        return None
    (x, y), bitmap = trim(mask)
    return x, y, x + bitmap.shape[1], y + bitmap.shape[0]
