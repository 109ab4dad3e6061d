"""Boxes and outlines from folders."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path

from training.data.coco import IMAGES, write_json
from training.data.detection_set import DetectionSet, LabelledImage, grouped, renumbered, split
from training.data.images import ImageDecodeError
from training.data.importers.objects import read_objects
from training.detection.detectron2.rcnn import Detector
from training.detection.detectron2.training import fit
from training.detection.recipe import Recipe
from training.evaluation.detection import ObjectScores, evaluate, scored
from training.files import CHECKPOINT, METRICS, write_json_atomic
from training.geometry.runs import pixels
from training.standalone.answers import Fitted, ObjectEvaluation, Predicted
from training.standalone.layout import HoldOut, model_kind, remember, split_seen
from training.types import Detections, Progress, TrainingError


def fit_objects(
    data: Path | DetectionSet,
    out: Path,
    recipe: Recipe,
    progress: Progress,
    *,
    init: Path | None,
    hold_out: HoldOut,
    allow_left_out: bool = False,
) -> Fitted:
    """Train a detector on a COCO, YOLO or VOC folder and evaluate it on the held-out groups.

    Args:
        data: see `training.data.importers.objects.read_objects`.
        out: folder to write: `checkpoint/`, `metrics.json`, `trained_on.json`.
        recipe: how to train.
        progress: called with the progress.
        init: a fitted detector to go on from.
        hold_out: what is not learned from; without a pattern see `default_group`.
        allow_left_out: go on where more than a few percent of the objects cannot be read.

    Returns:
        What was trained and measured; of several processes of torchrun only the one of rank 0 measures.

    Raises:
        TrainingError: nothing can be learned from the folder.
    """
    start = _detector_folder(init) if init else None
    whole = grouped(read_objects(data, allow_left_out=allow_left_out), hold_out.pattern)
    train, held_out = split(whole, hold_out.fraction, "paploop")
    facts = fit(train, held_out, out / CHECKPOINT, recipe, lambda part, text: progress(0.95 * part, text), init=start)
    if facts["rank"]:
        # Started by torchrun beside the process that measures and writes.
        return {"kind": "objects", "classes": list(whole.classes), "training": facts, "problems": []}
    remember(out, [image.path for image in train.images])
    progress(0.95, "evaluating on the held-out images")
    detector = Detector.load(out / CHECKPOINT, device=recipe.device, threads=recipe.threads)
    measured, notes = _measure(detector, held_out)
    metrics: Fitted = {
        "kind": "objects",
        "classes": list(whole.classes),
        "train": {"images": len(train.images), "objects": train.counts()},
        "held_out": measured,
        "training": facts,
        "problems": [*whole.problems, *facts["notes"], *notes],
        "left_out": whole.left_out.as_dict(),
    }
    write_json_atomic(out / METRICS, metrics)
    progress(1.0, "fitted")
    return metrics


def evaluate_objects(
    model: Path,
    data: Path | DetectionSet,
    progress: Progress,
    *,
    everything: bool,
    threads: int,
    plots: Path | None,
    allow_left_out: bool = False,
) -> ObjectEvaluation:
    """Evaluate a detector on a COCO, YOLO or VOC folder, without its training images unless `everything`.

    Raises:
        TrainingError: no model, no usable data, or classes that have nothing in common.
    """
    folder = _detector_folder(model)
    detector = Detector.load(folder, threads=threads)
    whole = renumbered(read_objects(data, allow_left_out=allow_left_out), detector.plan.classes)
    known = split_seen(folder, [image.path for image in whole.images])
    if all(known) and not everything:
        raise TrainingError("The model was trained on all of these images. Add --all to evaluate on them anyway.")
    kept = [image for image, seen in zip(whole.images, known, strict=True) if everything or not seen]
    part = dataclasses.replace(whole, images=tuple(kept))
    found = _predicted(detector, part, progress)
    usable = [number for number, each in enumerate(found) if each is not None]
    part = dataclasses.replace(part, images=tuple(part.images[number] for number in usable))
    answers = [each for each in found if each is not None]
    measured = evaluate(part, answers)
    notes = [*whole.problems, *_unreadable(kept, found)]
    if plots is not None:
        # Imported late: pictures need matplotlib, numbers do not.
        from training.evaluation.detection_pictures import write_pictures

        write_pictures(part, answers, plots)
    return ObjectEvaluation(
        **measured,
        left_out_as_trained_on=0 if everything else sum(known),
        problems=notes,
        left_out=whole.left_out.as_dict(),
    )


def predict_objects(
    model: Path, files: Sequence[Path], root: Path, out: Path, progress: Progress, *, threads: int, score: float
) -> Predicted:
    """Write what a detector finds in images as a COCO file: boxes, outlines, scores and the class distribution.

    Raises:
        TrainingError: there is no model.
    """
    detector = Detector.load(_detector_folder(model), threads=threads)
    images: list[dict[str, object]] = []
    annotations: list[dict[str, object]] = []
    problems: list[str] = []
    for number, path in enumerate(files, start=1):
        progress((number - 1) / len(files), path.name)
        try:
            found = next(detector.predict([path]))
        except ImageDecodeError as error:
            problems.append(f"{error} It was left out.")
            continue
        name = path.relative_to(root).as_posix() if path.is_relative_to(root) else path.name
        images.append({"id": number, "file_name": name, "height": found.size[0], "width": found.size[1]})
        annotations.extend(_annotations(found, number, len(annotations), score))
    write_json(out, detector.plan.classes, images, annotations)
    progress(1.0, "predicted")
    return {"file": str(out), "images": len(images), "regions": len(annotations), "problems": problems}


def _annotations(found: Detections, image_id: int, before: int, score: float) -> list[dict[str, object]]:
    entries: list[dict[str, object]] = []
    scores, labels = scored(found)
    mean = found.probs.mean(axis=0)
    for index, box in enumerate(found.boxes):
        if scores[index] < score:
            continue
        x1, y1, x2, y2 = (float(value) for value in box)
        entry: dict[str, object] = {
            "id": before + len(entries) + 1,
            "image_id": image_id,
            "category_id": int(labels[index]) + 1,
            "bbox": [x1, y1, x2 - x1, y2 - y1],
            "area": (x2 - x1) * (y2 - y1),
            "iscrowd": 0,
            "score": float(scores[index]),
            "probs": [round(float(value), 6) for value in mean[index]],
        }
        if found.masks is not None:
            entry |= {"segmentation": found.masks[index], "area": pixels(found.masks[index])}
        entries.append(entry)
    return entries


def _detector_folder(model: Path) -> Path:
    kind, folder = model_kind(model)
    if kind != "objects":
        raise TrainingError(f"The model in {model} names whole images and finds no objects; give a detector.")
    return folder


def _measure(detector: Detector, data: DetectionSet) -> tuple[ObjectScores | None, list[str]]:
    if not any(len(image.boxes) for image in data.images):
        return None, ["The held-out images have no object, so nothing was measured; label more images."]
    found = _predicted(detector, data, lambda *_: None)
    usable = [number for number, each in enumerate(found) if each is not None]
    part = dataclasses.replace(data, images=tuple(data.images[number] for number in usable))
    return evaluate(part, [each for each in found if each is not None]), _unreadable(data.images, found)


def _predicted(detector: Detector, data: DetectionSet, progress: Progress) -> list[Detections | None]:
    found: list[Detections | None] = []
    for number, image in enumerate(data.images):
        progress(number / len(data.images), image.name)
        try:
            found.append(next(detector.predict([image.path])))
        except ImageDecodeError:
            found.append(None)
    return found


def _unreadable(images: Sequence[LabelledImage], found: Sequence[Detections | None]) -> list[str]:
    pairs = zip(images, found, strict=True)
    return [f"{IMAGES}/{image.name} cannot be read; it was left out." for image, each in pairs if each is None]
