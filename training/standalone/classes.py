"""Whole-image classes from folders: the same training job as the service's."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from training.classification.request import MANIFEST, REQUEST
from training.data.class_list import ClassList
from training.data.coco import write_json
from training.data.images import ImageDecodeError, image_size
from training.data.importers.class_folder import read_class_folder
from training.data.manifest import write_manifest
from training.evaluation.classification import evaluate
from training.files import write_json_atomic
from training.jobs.classes import load_model, train
from training.standalone.answers import ClassEvaluation, Fitted, Predicted
from training.standalone.layout import HoldOut, model_kind, remember, split_seen
from training.types import Progress, TrainingError


def fit_classes(
    data: Path | ClassList,
    out: Path,
    progress: Progress,
    *,
    method: str,
    init: Path | None,
    hold_out: HoldOut,
    seed: int,
    threads: int,
) -> Fitted:
    """Train a classifier on a class folder and evaluate it on the held-out groups.

    Args:
        data: one subfolder a class, or a list.
        out: folder to write: `checkpoint/`, `metrics.json`, `trained_on.json` and the job's own files.
        progress: called with the progress.
        method: of `training.classification`.
        init: a fitted classifier to go on from.
        hold_out: what is not learned from; without a pattern every file is a group of its own.
        seed: of every random choice.
        threads: CPU threads.

    Raises:
        TrainingError: nothing can be learned from the folder.
    """
    start = str(_classifier_folder(init).resolve()) if init else None
    samples = read_class_folder(data, pattern=hold_out.pattern, fraction=hold_out.fraction)
    out.mkdir(parents=True, exist_ok=True)
    classes = sorted({str(sample.label) for sample in samples})
    request = {"classes": classes, "method": method, "seed": seed, "threads": threads, "init": start}
    write_json_atomic(out / REQUEST, request)
    write_manifest(out / MANIFEST, samples)
    metrics = train(out, progress)
    remember(out, [sample.path for sample in samples if sample.split == "train"])
    counts = Counter(str(sample.label) for sample in samples if sample.split == "train")
    return {
        "kind": "classes",
        "classes": classes,
        "train": {"images": sum(counts.values()), "labels": dict(counts)},
        "held_out": metrics["validation"],
        "training": {"method": metrics["method"], "settings": metrics["settings"]},
        "problems": [*_told(data), *(f"{reason} It was left out." for reason in metrics["unreadable"].values())],
    }


def evaluate_classes(
    model: Path, data: Path | ClassList, progress: Progress, *, everything: bool, threads: int = 1
) -> ClassEvaluation:
    """Evaluate a classifier on a class folder, without its training images unless `everything`.

    Raises:
        TrainingError: no model, no usable data, or classes that have nothing in common.
    """
    folder = _classifier_folder(model)
    classifier = load_model(folder, threads=threads)
    samples = read_class_folder(data)
    problems = _told(data) + [
        f"The model does not have the class {name}; its images were left out."
        for name in sorted({str(sample.label) for sample in samples} - set(classifier.classes))
    ]
    samples = [sample for sample in samples if sample.label in classifier.classes]
    if not samples:
        raise TrainingError(
            f"The model has the classes {', '.join(classifier.classes)}, and none of these folders matches. "
            "Give data with the same classes."
        )
    known = split_seen(folder, [sample.path for sample in samples])
    if all(known) and not everything:
        raise TrainingError("The model was trained on all of these images. Add --all to evaluate on them anyway.")
    kept = [sample for sample, seen in zip(samples, known, strict=True) if everything or not seen]
    probs = classifier.predict_images([sample.path for sample in kept], progress)
    good = np.flatnonzero(np.isfinite(probs).all(axis=1))
    readable = set(good.tolist())
    problems += [
        f"{sample.path.name} cannot be read; it was left out."
        for index, sample in enumerate(kept)
        if index not in readable
    ]
    truth = np.array([classifier.classes.index(str(sample.label)) for sample in kept], dtype=np.int64)
    measured = evaluate(truth[good], probs[good], classifier.classes)
    seen = 0 if everything else sum(known)
    return ClassEvaluation(**measured, left_out_as_trained_on=seen, problems=problems)


def predict_classes(
    model: Path, files: Sequence[Path], root: Path, out: Path, progress: Progress, *, threads: int = 1
) -> Predicted:
    """Write a classifier's predictions as a COCO file: one region over the whole image, with score and class
    distribution.

    Raises:
        TrainingError: there is no model.
    """
    classifier = load_model(_classifier_folder(model), threads=threads)
    probs = classifier.predict_images(list(files), progress)
    images: list[dict[str, object]] = []
    annotations: list[dict[str, object]] = []
    problems: list[str] = []
    for number, (path, row) in enumerate(zip(files, probs, strict=True), start=1):
        try:
            height, width = image_size(path)
        except ImageDecodeError as error:
            problems.append(f"{error} It was left out.")
            continue
        if not np.isfinite(row).all():
            problems.append(f"{path.name} cannot be read; it was left out.")
            continue
        name = path.relative_to(root).as_posix() if path.is_relative_to(root) else path.name
        images.append({"id": number, "file_name": name, "height": height, "width": width})
        annotations.append(
            {
                "id": len(annotations) + 1,
                "image_id": number,
                "category_id": int(row.argmax()) + 1,
                "bbox": [0, 0, width, height],
                "area": width * height,
                "iscrowd": 0,
                "score": float(row.max()),
                "probs": [round(float(value), 6) for value in row],
            }
        )
    write_json(out, classifier.classes, images, annotations)
    return {"file": str(out), "images": len(images), "regions": len(annotations), "problems": problems}


def _told(data: Path | ClassList) -> list[str]:
    return list(data.problems) if isinstance(data, ClassList) else []


def _classifier_folder(model: Path) -> Path:
    kind, folder = model_kind(model)
    if kind != "classes":
        raise TrainingError(f"The model in {model} detects objects. Give a classifier.")
    return folder
