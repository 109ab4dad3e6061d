"""The labels of Label Studio's own exports, by the rules of the loop: which annotation counts, what a region says."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from ml_backend.label_studio.config import LabelingJob
from ml_backend.label_studio.exports import Task
from ml_backend.label_studio.regions.misfits import DRAWN
from ml_backend.label_studio.regions.result import drawn_upright, type_of
from ml_backend.labels.classes import consensus
from ml_backend.labels.object_regions import objects_on
from ml_backend.labels.objects import confirm
from training.data.detection_set import DetectionSet, LabelledImage
from training.data.finding import Find
from training.data.images import ImageDecodeError, image_size, orientation_of
from training.data.reading import Notes, together, usable

UNUSABLE = "a region cannot be used"


def classes_in(tasks: Sequence[Task], job: LabelingJob) -> tuple[list[tuple[str, str]], list[str]]:
    """Name and class of each image that has a confirmed one, and why others have none."""
    labels: list[tuple[str, str]] = []
    reasons: Counter[str] = Counter()
    for task in tasks:
        name = task.names[0] if task.names else ""
        confirmed = consensus(task.annotations, job)
        if not name:
            reasons["no image is named"] += 1
        elif confirmed.labels:
            labels += [(name, label) for label in confirmed.labels.values()]
        else:
            reasons[next(iter(confirmed.left_out.values()), "nobody labeled it")] += 1
    return labels, _said(reasons)


def objects_in(tasks: Sequence[Task], job: LabelingJob, find: Find) -> DetectionSet:
    """The confirmed objects of each image that can be found."""
    notes = Notes()
    reasons: Counter[str] = Counter()
    images: dict[Path, LabelledImage] = {}
    for task in tasks:
        confirmed = confirm(task.annotations, job)
        results = next(iter(confirmed.results.values()), None)
        if results is None:
            reasons[next(iter(confirmed.left_out.values()), "nobody labeled it")] += 1
            continue
        name, path = next(((name, path) for name in task.names if (path := find(name)) is not None), ("", None))
        if path is None:
            shown = task.names[0] if task.names else "a task without an image"
            notes.image_left_out(f"There is no image {shown}; it was left out.", "its image was not found")
            continue
        notes.entries += sum(type_of(result) in DRAWN for result in results)
        try:
            size = image_size(path)
            turned = 1 if drawn_upright(results, size) else orientation_of(path)
        except ImageDecodeError as error:
            notes.image_left_out(f"{error} It was left out.", "its file cannot be read")
            continue
        found = objects_on(results, job, size, orientation=turned)
        for sentence in found.left_out:
            notes.objects_left_out(1, UNUSABLE, f"{name}: {sentence}")
        masks = found.masks if any(found.masks) else None
        image = LabelledImage(path, name, size, found.boxes, found.classes, masks, found.ignore, found.checked)
        images[path] = together(images[path], image) if path in images else image
    return DetectionSet(
        job.classes, usable(images.values(), notes), (*notes.sentences(), *_said(reasons)), notes.left_out()
    )


def _said(reasons: Counter[str]) -> list[str]:
    return [f"{count} tasks have no usable label: {reason}." for reason, count in reasons.items()]
