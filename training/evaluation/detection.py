"""COCO measurements of detections and outlines, with limits that follow the data.

Lin et al. (2014), Microsoft COCO: Common Objects in Context, arXiv:1405.0312; computed by pycocotools' own COCOeval.
"""

from __future__ import annotations

import contextlib
import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, NotRequired, TypedDict

import numpy as np
from numpy.typing import NDArray
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from training.data.detection_set import DetectionSet, LabelledImage
from training.evaluation.matching import Matches
from training.geometry.runs import Runs, from_window, pixels
from training.types import Detections, FloatArray, TrainingError

Kind = Literal["bbox", "segm"]


class OneClass(TypedDict):
    """COCO's averages of one class, None where it has no object, and how many it has."""

    AP: float | None
    AP50: float | None
    objects: int


class ObjectScores(TypedDict):
    """COCO's averages over the classes that have objects, as they go into JSON; None where there is none.

    Attributes:
        AP: over IoU 0.5 to 0.95.
        AP50: at IoU 0.5.
        AP75: at IoU 0.75.
        AP_small: of objects below 32 px.
        AP_medium: of objects from 32 to 96 px.
        AP_large: of objects above 96 px.
        recall: with at most `max_detections` an image.
        max_detections: that limit.
        images: measured on.
        objects: on these.
        per_class: by name.
        masks: the same of outlines, beside boxes whose data and detections have them.
    """

    AP: float | None
    AP50: float | None
    AP75: float | None
    AP_small: float | None
    AP_medium: float | None
    AP_large: float | None
    recall: float | None
    max_detections: int
    images: int
    objects: int
    per_class: dict[str, OneClass]
    masks: NotRequired[ObjectScores]


@dataclass(frozen=True)
class Curve:
    """Precision `(101,)` at the recalls `RECALLS` of one class, IoU 0.5; NaN where the class has no object."""

    name: str
    precision: NDArray[np.float64]


def evaluate(data: DetectionSet, found: Sequence[Detections]) -> ObjectScores:
    """COCO AP of boxes, and of outlines below `masks` where the data and the detections have them.

    Averages run over classes that have objects; what has none is None. Detections inside ignore regions count
    neither for nor against, places that nobody checked are left out.

    Args:
        data: the truth.
        found: one per image, in the same order; the last class is the background.

    Raises:
        TrainingError: the numbers of images differ, or no object is labeled.
    """
    boxes = _average(data, _run(data, found, "bbox"))
    if data.has_masks and all(each.masks is not None for each in found):
        boxes["masks"] = _average(data, _run(data, found, "segm"))
    return boxes


def curves(data: DetectionSet, found: Sequence[Detections], kind: Kind = "bbox") -> list[Curve]:
    """Precision-recall curves at IoU 0.5, one per class.

    Raises:
        TrainingError: as `evaluate`.
    """
    precision = _run(data, found, kind).eval["precision"][0, :, :, 0, -1].astype(np.float64)
    precision[precision < 0] = np.nan
    return [Curve(name, precision[:, number]) for number, name in enumerate(data.classes)]


def matched(data: DetectionSet, found: Sequence[Detections], kind: Kind = "bbox") -> Matches:
    """What happened to each region at IoU 0.5; its AP50 equals that of `evaluate` and can be computed for a part of the
    images.

    Raises:
        TrainingError: as `evaluate`.
    """
    run = _run(data, found, kind)
    return Matches.of(run.evalImgs, len(data.images), len(data.classes), len(run.params.areaRng))


def scored(found: Detections) -> tuple[FloatArray, NDArray[np.int64]]:
    """Score and class number of each region: its most likely class other than the background, members averaged."""
    mean = found.probs.mean(axis=0)[:, :-1]
    return mean.max(axis=1, initial=0.0), mean.argmax(axis=1).astype(np.int64)


def _run(data: DetectionSet, found: Sequence[Detections], kind: Kind) -> COCOeval:
    if len(found) != len(data.images):
        raise TrainingError(
            f"There are {len(data.images)} images but {len(found)} predictions. Predict every image once."
        )
    truth, answers = _entries(data, found, kind)
    if not any(not entry["iscrowd"] for entry in truth):
        raise TrainingError("No object is labeled in these images, so nothing can be measured. Give labeled images.")
    with contextlib.redirect_stdout(io.StringIO()):
        right = _indexed(data, truth)
        # An empty answer has no form that `loadRes` accepts.
        given = right.loadRes(answers) if answers else _indexed(data, [])
        run = COCOeval(right, given, kind)
        run.params.maxDets = [1, 10, _limit(data, found)]
        run.evaluate()
        run.accumulate()
    return run


def _limit(data: DetectionSet, found: Sequence[Detections]) -> int:
    """COCO's 100 detections an image, or more where images hold more: twice the densest image."""
    densest = max((len(image.boxes) for image in data.images), default=0)
    return max(100, min(2 * densest, max((len(each.boxes) for each in found), default=0)))


def _indexed(data: DetectionSet, annotations: list[dict[str, object]]) -> COCO:
    coco = COCO()
    coco.dataset = {
        "images": [
            {"id": number, "height": image.size[0], "width": image.size[1]}
            for number, image in enumerate(data.images, start=1)
        ],
        "annotations": annotations,
        "categories": [{"id": number, "name": name} for number, name in enumerate(data.classes, start=1)],
    }
    coco.createIndex()
    return coco


def _entries(
    data: DetectionSet, found: Sequence[Detections], kind: Kind
) -> tuple[list[dict[str, object]], list[dict[str, object]]]:
    truth: list[dict[str, object]] = []
    answers: list[dict[str, object]] = []
    for number, (image, detections) in enumerate(zip(data.images, found, strict=True), start=1):
        for index in np.flatnonzero(_checked(image, image.boxes)):
            entry = _truth(image, int(index), kind)
            truth.append(entry | {"id": len(truth) + 1, "image_id": number})
        for box in image.ignore:
            # A crowd must exist for each class, for pycocotools matches class by class.
            for category in range(1, len(data.classes) + 1):
                crowd = {"category_id": category, "iscrowd": 1, **_place(box)}
                if kind == "segm":
                    crowd["segmentation"] = _filled(box, image.size)
                truth.append(crowd | {"id": len(truth) + 1, "image_id": number})
        scores, labels = scored(detections)
        for index in np.flatnonzero(_checked(image, detections.boxes)):
            answer = {"image_id": number, "category_id": int(labels[index]) + 1, "score": float(scores[index])}
            if kind == "segm":
                assert detections.masks is not None
                answers.append(answer | {"segmentation": detections.masks[index]})
            else:
                answers.append(answer | {"bbox": _place(detections.boxes[index])["bbox"]})
    return truth, answers


def _truth(image: LabelledImage, index: int, kind: Kind) -> dict[str, object]:
    entry: dict[str, object] = {
        "category_id": int(image.classes[index]) + 1,
        "iscrowd": 0,
        **_place(image.boxes[index]),
    }
    if kind == "segm":
        mask = image.masks[index] if image.masks is not None else None
        assert mask is not None
        entry |= {"segmentation": mask, "area": pixels(mask)}
    return entry


def _place(box: FloatArray) -> dict[str, object]:
    x1, y1, x2, y2 = (float(value) for value in box)
    return {"bbox": [x1, y1, x2 - x1, y2 - y1], "area": (x2 - x1) * (y2 - y1)}


def _filled(box: FloatArray, size: tuple[int, int]) -> Runs:
    x1, y1, x2, y2 = int(box[0]), int(box[1]), int(np.ceil(box[2])), int(np.ceil(box[3]))
    return from_window(np.ones((y2 - y1, x2 - x1), dtype=np.uint8), (x1, y1), size)


def _checked(image: LabelledImage, boxes: FloatArray) -> NDArray[np.bool_]:
    """Which boxes have their center where the image was searched."""
    if image.checked is None:
        return np.ones(len(boxes), dtype=bool)
    x, y = (boxes[:, 0] + boxes[:, 2]) / 2, (boxes[:, 1] + boxes[:, 3]) / 2
    inside = np.zeros(len(boxes), dtype=bool)
    for x1, y1, x2, y2 in image.checked:
        inside |= (x >= x1) & (x < x2) & (y >= y1) & (y < y2)
    return inside


def _average(data: DetectionSet, run: COCOeval) -> ObjectScores:
    # (IoU thresholds, recalls, classes, sizes, limits) and (IoU thresholds, classes, sizes, limits); -1 = no object.
    precision, recall = run.eval["precision"][..., -1], run.eval["recall"][..., -1]
    counts = data.counts()
    per_class: dict[str, OneClass] = {
        name: {
            "AP": _mean(precision[:, :, number, 0]),
            "AP50": _mean(precision[0, :, number, 0]),
            "objects": counts[name],
        }
        for number, name in enumerate(data.classes)
    }
    return {
        "AP": _mean(precision[..., 0]),
        "AP50": _mean(precision[0, ..., 0]),
        "AP75": _mean(precision[5, ..., 0]),
        "AP_small": _mean(precision[..., 1]),
        "AP_medium": _mean(precision[..., 2]),
        "AP_large": _mean(precision[..., 3]),
        "recall": _mean(recall[..., 0]),
        "max_detections": int(run.params.maxDets[-1]),
        "images": len(data.images),
        "objects": sum(counts.values()),
        "per_class": per_class,
    }


def _mean(values: NDArray[np.floating]) -> float | None:
    known = values[values > -1]
    return round(float(known.mean()), 6) if len(known) else None
