"""Figures for people: precision-recall curves, and the images on which a detector did worst."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from PIL import Image

from training.data.detection_set import DetectionSet, LabelledImage
from training.data.images import RGBArray, load_rgb
from training.evaluation.detection import curves, scored
from training.evaluation.matching import RECALLS
from training.geometry.boxes import iou
from training.types import Detections

WORST = 20
SURE = 0.5
"""Score from which a region counts as claimed in the list of errors."""
LARGEST = 1600
"""px, longest side of a drawn image."""
TRUTH, RIGHT, WRONG = (0, 120, 255), (0, 170, 60), (230, 40, 40)


@dataclass(frozen=True)
class Errors:
    """What went wrong on one image at IoU 0.5 and score `SURE`.

    Attributes:
        missed: objects that no region of their class covers.
        extra: regions that cover no object of their class.
        matched: index of the object that each region found, -1 for none, `-2` for regions below `SURE`.
    """

    missed: int
    extra: int
    matched: tuple[int, ...]


def errors(image: LabelledImage, found: Detections) -> Errors:
    """Match regions to objects of their class, best score first, each object once."""
    scores, labels = scored(found)
    overlaps = iou(found.boxes, image.boxes)
    free = np.ones(len(image.boxes), dtype=bool)
    matched = np.full(len(found.boxes), -2)
    for index in np.argsort(-scores, kind="stable"):
        if scores[index] < SURE:
            break
        candidates = np.where(free & (image.classes == labels[index]), overlaps[index], 0)
        best = int(candidates.argmax()) if len(candidates) else 0
        if len(candidates) and candidates[best] >= 0.5:
            matched[index], free[best] = best, False
        else:
            matched[index] = -1
    return Errors(int(free.sum()), int((matched == -1).sum()), tuple(int(value) for value in matched))


def write_pictures(data: DetectionSet, found: Sequence[Detections], folder: Path) -> list[Path]:
    """Write `precision_recall.png` (and `precision_recall_masks.png`) and `worst_01.png` to `worst_20.png`.

    Drawn are objects in blue, right regions in green, wrong ones in red, those below the score `SURE` not at all.

    Args:
        data: the truth.
        found: one per image, in the same order.
        folder: created if it is missing.

    Returns:
        The files, worst image first after the curves.
    """
    folder.mkdir(parents=True, exist_ok=True)
    files = [_curve_picture(data, found, folder / "precision_recall.png", outlines=False)]
    if data.has_masks and all(each.masks is not None for each in found):
        files.append(_curve_picture(data, found, folder / "precision_recall_masks.png", outlines=True))
    judged = [errors(image, each) for image, each in zip(data.images, found, strict=True)]
    # Errors per object, so that a crowded image is not the worst for its crowd alone.
    badness = [(e.missed + e.extra) / max(3, len(i.boxes)) for e, i in zip(judged, data.images, strict=True)]
    for place, index in enumerate(np.argsort(-np.array(badness), kind="stable")[:WORST], start=1):
        picture = _drawn(data.images[index], found[index], judged[index])
        files.append(folder / f"worst_{place:02d}.png")
        Image.fromarray(picture).save(files[-1])
    return files


def _curve_picture(data: DetectionSet, found: Sequence[Detections], path: Path, *, outlines: bool) -> Path:
    figure = Figure(figsize=(6, 5), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    for curve in curves(data, found, "segm" if outlines else "bbox"):
        if np.isfinite(curve.precision).all():
            axes.plot(RECALLS, curve.precision, label=f"{curve.name}  {curve.precision.mean():.3f}")
    axes.set(xlabel="recall", ylabel="precision", xlim=(0, 1), ylim=(0, 1.02))
    axes.set_title(f"{'Outlines' if outlines else 'Boxes'}, IoU 0.5 (AP50 by class)")
    axes.legend(loc="lower left")
    axes.grid(alpha=0.3)
    figure.savefig(path, dpi=110)
    return path


def _drawn(image: LabelledImage, found: Detections, judged: Errors) -> RGBArray:
    pixels = load_rgb(image.path)
    zoom = min(LARGEST / max(pixels.shape[:2]), max(1.0, 512 / max(pixels.shape[:2])))
    canvas = np.ascontiguousarray(cv2.resize(pixels, None, fx=zoom, fy=zoom, interpolation=cv2.INTER_AREA))
    for box in image.boxes:
        _rectangle(canvas, box * zoom, TRUTH)
    for box, match in zip(found.boxes, judged.matched, strict=True):
        if match >= -1:
            _rectangle(canvas, box * zoom, RIGHT if match >= 0 else WRONG)
    text = f"{image.name[:60]}: {judged.missed} missed, {judged.extra} wrong of {len(image.boxes)}"
    strip = np.full((24, canvas.shape[1], 3), 255, dtype=np.uint8)
    cv2.putText(strip, text, (4, 17), cv2.FONT_HERSHEY_SIMPLEX, 0.45, (0, 0, 0), 1, cv2.LINE_AA)
    return np.concatenate([strip, canvas])


def _rectangle(
    canvas: RGBArray, box: np.ndarray[tuple[int, ...], np.dtype[np.floating]], colour: tuple[int, ...]
) -> None:
    x1, y1, x2, y2 = (round(float(value)) for value in box)
    cv2.rectangle(canvas, (x1, y1), (x2, y2), colour, 1)
