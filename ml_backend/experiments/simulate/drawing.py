"""An expert who draws objects: takes the truth from a COCO folder and corrects proposals."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from ml_backend.effort.compare import TOUCHED, UNMOVED, UNTOUCHED
from ml_backend.errors import BadRequest
from ml_backend.experiments.simulate.expert import Annotator, Manner
from ml_backend.experiments.simulate.oracle import mistaken
from ml_backend.label_studio.bodies.annotations import results_in
from ml_backend.label_studio.client import LabelStudio
from ml_backend.label_studio.client.wire import Json
from ml_backend.label_studio.regions import Result
from ml_backend.label_studio.regions.results import Region, read_results
from ml_backend.label_studio.regions.shapes import bounding_box
from ml_backend.predictions.packing import Found
from ml_backend.predictions.rendering import Style, shown
from training.data.detection_set import DetectionSet, LabelledImage
from training.data.importers.objects import read_objects
from training.data.names import NameIndex
from training.data.reading import vouches
from training.geometry.boxes import iou
from training.types import Detections, FloatArray

TAKEN_OVER = 0.5
"""IoU from which a proposed region is corrected; anything farther off is deleted and drawn anew."""
EXACT = Style(thresholds=0.5, shown_as="auto", tolerance=0.01)


@dataclass(frozen=True)
class ObjectOracle:
    """True objects by image name.

    Attributes:
        names: classes, in the order of the class numbers.
        truth: file name -> the image and its objects.
    """

    names: tuple[str, ...]
    truth: Mapping[str, LabelledImage]

    def find(self, name: str) -> LabelledImage | None:
        """The objects of an image, None when they are not known; its folders may differ."""
        index, images = self._names
        key = index.find(name).key
        # A drawn annotation speaks for the whole image, so all of it must be known.
        return images[key] if key is not None and vouches(images[key]) else None

    @cached_property
    def _names(self) -> tuple[NameIndex, list[LabelledImage]]:
        images = list(self.truth.values())
        return NameIndex(zip(self.truth, range(len(images)), strict=True)), images

    def classes(self) -> list[str]:
        """Classes that occur."""
        return sorted({self.names[number] for image in self.truth.values() for number in image.classes.tolist()})


def read_object_oracle(source: Path | DetectionSet) -> ObjectOracle:
    """The truth from a folder or from what was read already; an image of which something cannot be read is not known.

    Raises:
        TrainingError: it is not a COCO, YOLO or VOC folder, or nothing in it can be used.
    """
    given = source.expanduser() if isinstance(source, Path) else source
    data = read_objects(given, allow_left_out=True)
    return ObjectOracle(data.classes, {image.name: image for image in data.images})


class Drawer(Annotator):
    """An annotator who draws the objects of an image, as boxes or outlines: whatever the project asks for.

    A proposed region that lies on an object is corrected and keeps its name, as in the editor; others are deleted.

    Args:
        client: of Label Studio.
        project_id: Label Studio's project id.
        oracle: knows the truth.
        manner: how the expert works; errors are wrong classes of single objects.

    Raises:
        BadRequest: in this project no objects are drawn, or it lacks a class.
    """

    def __init__(self, client: LabelStudio, project_id: int, oracle: ObjectOracle, manner: Manner) -> None:
        super().__init__(client, project_id, oracle.classes(), manner)
        if not self.job.finds_objects:
            raise BadRequest(f"Project {project_id} labels whole images, not objects. Give a class folder.")
        self.oracle = oracle

    def answer(self, task: Json) -> bool:
        """Draw the true objects of a task, or skip it when they are not known."""
        started = time.monotonic()
        if self.manner.think_seconds:
            time.sleep(self.manner.think_seconds)
        task_id, data = int(task["id"]), task.get("data", {})
        truth = self.oracle.find(str(data.get("name") or data.get(self.job.data_key, "")))
        if truth is None:
            self._submit(task_id, [], time.monotonic() - started, was_cancelled=True)
            self.tally.skipped += 1
            return False
        parent, proposed = self._proposed(task, truth)
        result = self._drawn(task_id, truth, proposed)
        self._submit(task_id, result, time.monotonic() - started, parent_prediction=parent)
        self.tally.tasks.append(task_id)
        self.tally.objects += len(truth.boxes)
        return True

    def _proposed(self, task: Json, truth: LabelledImage) -> tuple[int | None, list[Region]]:
        """The prediction that is shown, its id and regions."""
        for prediction in task.get("predictions") or []:
            regions = read_results(results_in(prediction), self.job.controls, truth.size).regions
            if regions:
                self.tally.shown += len(regions)
                return int(prediction["id"]), list(regions)
        return None, []

    def _drawn(self, task_id: int, truth: LabelledImage, proposed: list[Region]) -> list[Result]:
        """The objects as results, best matches of proposals under their names."""
        classes = self.job.classes
        labels = [mistaken(self.oracle.names[n], classes, self.manner.error_rate, self.rng) for n in truth.classes]
        pairs = matches(truth, [bounding_box(region.shape, truth.size) for region in proposed])
        for index, (place, _) in pairs.items():
            self.tally.agreed += proposed[place].label == self.oracle.names[int(truth.classes[index])]

        def name(index: int) -> str:
            return proposed[pairs[index][0]].id if index in pairs else f"expert-{task_id}-{index}"

        found = Found(_certain(truth, labels, classes), classes)
        results = shown(self.job, found, EXACT, name).results
        origins = {
            proposed[place].id: UNTOUCHED if close >= UNMOVED and proposed[place].label == labels[index] else TOUCHED
            for index, (place, close) in pairs.items()
        }
        return [
            {**{key: value for key, value in result.items() if key != "score"}, "origin": origin}
            for result in results
            for origin in [origins.get(str(result["id"]), "manual")]
        ]


def matches(truth: LabelledImage, boxes: Sequence[FloatArray | None]) -> dict[int, tuple[int, float]]:
    """Object -> (proposed box `(4,)` or None, IoU), each used once, the closest pairs first."""
    usable = [place for place, box in enumerate(boxes) if box is not None]
    there = [box for box in boxes if box is not None]
    if not usable or not len(truth.boxes):
        return {}
    close = iou(truth.boxes.astype(np.float32), np.stack(there).astype(np.float32))
    found: dict[int, tuple[int, float]] = {}
    taken: set[int] = set()
    for flat in np.argsort(-close, axis=None, kind="stable"):
        index, column = (int(place) for place in np.unravel_index(flat, close.shape))
        if close[index, column] < TAKEN_OVER:
            break
        if index not in found and column not in taken:
            taken.add(column)
            found[index] = usable[column], float(close[index, column])
    return found


def _certain(truth: LabelledImage, labels: list[str], classes: tuple[str, ...]) -> Detections:
    """The truth as the answer of a detector that has no doubts."""
    probs = np.zeros((1, len(labels), len(classes) + 1), dtype=np.float32)
    for row, label in enumerate(labels):
        probs[0, row, classes.index(label)] = 1
    return Detections(truth.size, truth.boxes, probs, truth.masks)
