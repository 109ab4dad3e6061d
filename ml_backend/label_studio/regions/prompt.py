"""What an expert drew with a smart tool: the editor's context -> positions on the image and the chosen label."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ml_backend.errors import BadRequest
from ml_backend.label_studio.config.job import Form
from ml_backend.label_studio.regions import Result
from ml_backend.label_studio.regions.shapes import Size, bounding_box, shape_of

Point = tuple[float, float]
MOST_REGIONS = 200
"""Regions of a context that are read, the newest ones."""


@dataclass(frozen=True)
class Prompt:
    """A place that the expert points at, in px of the upright image.

    Attributes:
        box: x1, y1, x2, y2 of the newest shape drawn, inside the image; None when there are only points.
        inside: points on the object, newest first.
        outside: points that are not on it.
        label: class name, or empty when none was chosen.
        id: the same for the same drawing.
        rotation: how the editor showed the image, degrees.
    """

    box: tuple[float, float, float, float] | None
    inside: tuple[Point, ...]
    outside: tuple[Point, ...]
    label: str
    id: str
    rotation: float


def drawn_regions(context: object, to_name: str) -> list[Result]:
    """The regions of an interactive context, oldest first.

    Args:
        context: as the editor sends it.
        to_name: the image that counts.

    Raises:
        BadRequest: nothing is drawn on that image.
    """
    results = context.get("result") if isinstance(context, Mapping) else None
    if not isinstance(results, list):
        raise BadRequest(
            "The editor's context contains no list of regions. Draw a box or a point with a smart tool.",
            code="smart.nothing_drawn",
        )
    regions = [each for each in results if isinstance(each, Mapping) and isinstance(each.get("value"), Mapping)]
    if not regions:
        raise BadRequest(
            "The editor's context contains no region. Draw a box or a point with a smart tool.",
            code="smart.nothing_drawn",
        )
    mine = [each for each in regions if each.get("to_name") == to_name]
    if not mine:
        raise BadRequest(
            f"Nothing is drawn on the image {to_name!r}, which PapLoop predicts. Draw on that image.",
            code="smart.nothing_drawn",
        )
    return mine[-MOST_REGIONS:]


def read_prompt(regions: Sequence[Result], size: Size) -> Prompt:
    """The combined prompt of all regions of a drawing: the newest shape, every point, the newest label.

    Args:
        regions: see `drawn_regions`.
        size: `(height, width)` px of the upright image.

    Raises:
        BadRequest: no region lies on the image.
    """
    box: tuple[float, float, float, float] | None = None
    points: dict[bool, list[Point]] = {True: [], False: []}
    reasons: list[str] = []
    for region in reversed(regions):
        try:
            if _is_point(region):
                points[_is_positive(region)].append(_point(region["value"], size))
            elif box is None:
                box = _box(region["value"], size)
        except BadRequest as error:
            reasons.append(str(error))
    if box is None and not points[True]:
        raise BadRequest(
            reasons[0] if reasons else "Only points outside the object are marked. Mark the object too.",
            code="smart.only_outside",
        )
    text = repr([(each.get("id"), sorted(each["value"].items(), key=str)) for each in regions])
    return Prompt(
        box,
        tuple(points[True]),
        tuple(points[False]),
        _label(regions),
        hashlib.sha256(text.encode()).hexdigest()[:10],
        _number(regions[-1].get("image_rotation")) or 0,
    )


def fitting(forms: Sequence[Form], prompt: Prompt) -> list[Form]:
    """The controls that can express the outline and have the chosen label.

    Raises:
        BadRequest: there is none.
    """
    found = [form for form in forms if not prompt.label or prompt.label in form.control.classes]
    if not found:
        raise BadRequest(
            f"No drawing control has the label {prompt.label!r}. Add it to PolygonLabels.",
            code="smart.no_control",
        )
    return found


def as_answer(result: Result, prompt: Prompt, note: str, score: float | None) -> Result:
    """A result as the editor takes it for a drawing: turned as the editor shows the image, with a note.

    Args:
        result: over the upright image.
        prompt: the drawing that it answers.
        note: where the outline comes from; shown beside the region.
        score: how sure the model is of the label, None where nobody says.
    """
    unscored = {key: value for key, value in result.items() if key != "score"}
    said = {} if score is None else {"score": round(score, 4)}
    return {**unscored, "image_rotation": prompt.rotation, "meta": {"text": [note]}, **said}


def _is_point(region: Result) -> bool:
    return str(region.get("type", "")).startswith("keypoint")


def _is_positive(region: Result) -> bool:
    """Points count as on the object unless the editor says otherwise."""
    return region.get("is_positive") not in (False, 0)


def _point(value: Result, size: Size) -> Point:
    x, y = _number(value.get("x")), _number(value.get("y"))
    if x is None or y is None:
        raise BadRequest("The position of the point cannot be read. Click again.", code="smart.outside_image")
    if not (0 <= x <= 100 and 0 <= y <= 100):
        raise BadRequest("The point is outside the image. Click on an object.", code="smart.outside_image")
    height, width = size
    return min(x * width / 100, width - 0.5), min(y * height / 100, height - 0.5)


def _box(value: Result, size: Size) -> tuple[float, float, float, float]:
    box = bounding_box(shape_of(value, size), size)
    if box is None or not min(box[2] - box[0], box[3] - box[1]) >= 1:
        raise BadRequest("The shape covers less than a pixel of the image. Draw a larger one.", code="smart.too_small")
    x1, y1, x2, y2 = (float(side) for side in box)
    return x1, y1, x2, y2


def _label(regions: Sequence[Result]) -> str:
    for region in reversed(regions):
        for key, names in region["value"].items():
            if str(key).endswith("labels") and isinstance(names, list) and names and isinstance(names[0], str):
                return names[0]
    return ""


def _number(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value) if math.isfinite(value) else None
