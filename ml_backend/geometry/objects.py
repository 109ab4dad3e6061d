"""Labeled regions <-> what models learn from and answer with."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median

import numpy as np
from numpy.typing import NDArray

from ml_backend.geometry.results import Control, Region
from ml_backend.geometry.shapes import Brush, Ellipse, Polygon, Rectangle, Shape, Size, bounding_box, mask_of
from training.geometry.polygons import TOLERANCE, Outline, outline
from training.geometry.runs import Runs, pixels, trim
from training.types import Detections, FloatArray, IntArray

MANY = 40
"""From this many regions on an image, brush masks make the editor slow: polygons or boxes go out instead."""
FORMS = {"rectanglelabels": "boxes", "polygonlabels": "polygons", "ellipselabels": "ellipses", "brushlabels": "brush"}


@dataclass(frozen=True)
class Objects:
    """Labeled objects of one image, as a detector learns them.

    Attributes:
        boxes: `(r, 4)` float32 px.
        classes: `(r,)` int64.
        masks: run-length mask of each object, or None where only boxes were drawn.
        left_out: one sentence for each region that has no area inside the image.
    """

    boxes: FloatArray
    classes: IntArray
    masks: tuple[Runs, ...] | None
    left_out: tuple[str, ...]


def objects_of(regions: Sequence[Region], classes: Sequence[str], size: Size) -> Objects:
    """Learnable objects of an image of `(height, width)` px; masks only where every region has a true outline."""
    number = {name: index for index, name in enumerate(classes)}
    outlined = bool(regions) and all(not isinstance(region.shape, Rectangle) for region in regions)
    boxes, labels, masks, left_out = [], [], [], []
    for region in regions:
        box = bounding_box(region.shape, size)
        mask = mask_of(region.shape, size) if outlined and box is not None else None
        if box is None or region.label not in number or (mask is not None and not pixels(mask)):
            left_out.append(f"Region {region.id} covers no pixel of the image; draw it again.")
            continue
        boxes.append(box)
        labels.append(number[region.label])
        if mask is not None:
            masks.append(mask)
    return Objects(
        np.array(boxes, dtype=np.float32).reshape(-1, 4),
        np.array(labels, dtype=np.int64),
        tuple(masks) if outlined else None,
        tuple(left_out),
    )


@dataclass(frozen=True)
class Form:
    """How pre-annotations of an image go out.

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
        found: what the model answers.
        wanted: type of a control (`polygonlabels`, ...) that the user asks for.
    """
    by_type: Mapping[str, Control] = {control.type: control for control in reversed(controls)}
    if wanted is not None and wanted in by_type:
        return Form(by_type[wanted], f"{FORMS.get(wanted, wanted)}, as the project's settings say")
    if found.masks is None:
        order = ("rectanglelabels", "labels", "ellipselabels", "polygonlabels", "brushlabels")
        reason = "the model finds boxes"
    elif len(found.boxes) >= MANY:
        order = ("polygonlabels", "rectanglelabels", "ellipselabels", "labels", "brushlabels")
        reason = f"{len(found.boxes)} brush masks would make the editor slow"
    elif "brushlabels" in by_type and _fits_polygons(found.masks) < 0.97:
        order = ("brushlabels", "polygonlabels", "ellipselabels", "rectanglelabels", "labels")
        reason = "one polygon cannot show these outlines"
    else:
        order = ("polygonlabels", "brushlabels", "ellipselabels", "rectanglelabels", "labels")
        reason = "polygons show these outlines and are quickly corrected"
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
