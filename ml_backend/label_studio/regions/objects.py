"""Labeled regions <-> what models learn from and predict."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median

import numpy as np
from numpy.typing import NDArray

from ml_backend.label_studio.regions.results import Control, Region
from ml_backend.label_studio.regions.shapes import Brush, Ellipse, Polygon, Rectangle, Shape, Size, mask_of
from training.geometry.polygons import TOLERANCE, Outline, outline
from training.geometry.runs import Runs, trim
from training.types import Detections

MANY = 40
"""From this many regions on an image, brush masks make the editor slow: polygons or boxes go out instead."""
FORMS = {"rectanglelabels": "boxes", "polygonlabels": "polygons", "ellipselabels": "ellipses", "brushlabels": "brush"}
SHOWN_AS: Mapping[str, str] = {name: kind for kind, name in FORMS.items()}
"""Project setting `shown_as` -> type of a control."""


@dataclass(frozen=True)
class Form:
    """The form of an image's pre-annotations.

    Attributes:
        control: the control tag they are drawn with.
        reason: why this one, in words.
    """

    control: Control
    reason: str


def choose_form(controls: Sequence[Control], found: Detections, wanted: str | None = None) -> Form:
    """The control tag for the pre-annotations of an image.

    Args:
        controls: of the labeling config, at least one.
        found: the model's prediction.
        wanted: type of a control (`polygonlabels`, ...) that the user asks for.
    """
    by_type: Mapping[str, Control] = {control.type: control for control in reversed(controls)}
    if wanted is not None and wanted in by_type:
        return Form(by_type[wanted], f"{FORMS.get(wanted, wanted)}, as set in the project's settings")
    if found.masks is None:
        order = ("rectanglelabels", "labels", "ellipselabels", "polygonlabels", "brushlabels")
        reason = "the model finds boxes"
    elif len(found.boxes) >= MANY:
        order = ("polygonlabels", "rectanglelabels", "ellipselabels", "labels", "brushlabels")
        reason = f"{len(found.boxes)} brush masks would make the editor slow"
    elif "brushlabels" in by_type and _fits_polygons(found.masks) < 0.97:
        order = ("brushlabels", "polygonlabels", "ellipselabels", "rectanglelabels", "labels")
        reason = "one polygon cannot reproduce these outlines"
    else:
        order = ("polygonlabels", "brushlabels", "ellipselabels", "rectanglelabels", "labels")
        reason = "polygons reproduce these outlines and are quick to correct"
    kind = next((name for name in order if name in by_type), controls[0].type)
    return Form(by_type[kind], f"{FORMS.get(kind, kind)}: {reason}")


def regions_of(
    found: Detections,
    classes: Sequence[str],
    control: Control,
    name: Callable[[int], str],
    *,
    thresholds: Mapping[str, float] | float = 0.5,
    tolerance: float = TOLERANCE,
) -> list[Region]:
    """Pre-annotations of one image, best score first.

    Args:
        found: the model's answer; its distributions end with the background.
        classes: names of the other classes.
        control: what draws them, see `choose_form`.
        name: region number -> id.
        thresholds: least score, for all classes or by name; classes that the control does not offer are left out.
        tolerance: share of IoU that a polygon may lose.
    """
    mean = found.probs.mean(axis=0)[:, : len(classes)]
    scores, labels = mean.max(axis=1, initial=0.0), mean.argmax(axis=1)
    regions = []
    for index in np.argsort(-scores, kind="stable"):
        label, score = classes[labels[index]], float(scores[index])
        least = thresholds if isinstance(thresholds, float | int) else thresholds.get(label, 0.5)
        if score < least or label not in control.classes:
            continue
        mask = None if found.masks is None else found.masks[index]
        shape = _shape(control.type, found.boxes[index], mask, tolerance, found.size)
        regions.append(Region(name(int(index)), label, shape, control, score))
    return regions


def _shape(kind: str, box: NDArray[np.floating], mask: Runs | None, tolerance: float, size: Size) -> Shape:
    x1, y1, x2, y2 = (float(value) for value in box)
    if kind == "polygonlabels":
        if mask is None:
            return Polygon(((x1, y1), (x2, y1), (x2, y2), (x1, y2)))
        return Polygon(tuple(map(tuple, _outlined(mask, tolerance).points.tolist())))
    if kind == "brushlabels":
        return Brush(mask if mask is not None else mask_of(Rectangle(x1, y1, x2 - x1, y2 - y1), size))
    if kind == "ellipselabels":
        return Ellipse((x1 + x2) / 2, (y1 + y2) / 2, (x2 - x1) / 2, (y2 - y1) / 2)
    return Rectangle(x1, y1, x2 - x1, y2 - y1)


def _outlined(mask: Runs, tolerance: float) -> Outline:
    corner, bitmap = trim(mask)
    return outline(bitmap, corner, tolerance)


def _fits_polygons(masks: Sequence[Runs]) -> float:
    """Median IoU of the masks with one polygon each."""
    return median(_outlined(mask, 0.0).iou for mask in masks) if masks else 1.0
