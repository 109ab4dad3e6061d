"""A folder of images with labeled objects, whichever of the known layouts it has."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from training.data.coco import ANNOTATIONS, IMAGES, is_coco_folder, read_coco
from training.data.detection_set import DetectionSet
from training.data.importers.voc import is_voc_folder, read_voc
from training.data.importers.yolo import is_yolo_folder, read_yolo
from training.data.outlines import alike
from training.data.reading import refuse_many
from training.types import TrainingError

LAYOUTS = ((is_coco_folder, read_coco), (is_yolo_folder, read_yolo), (is_voc_folder, read_voc))


def is_object_folder(folder: Path) -> bool:
    """Whether the folder has a layout that `read_objects` knows."""
    return any(fits(folder) for fits, _ in LAYOUTS)


def read_objects(folder: Path | DetectionSet, *, allow_left_out: bool = False) -> DetectionSet:
    """Read a COCO, YOLO or VOC folder for learning and measuring.

    Args:
        folder: of images and labels; or a set that was read already, by a reader that these do not know.
        allow_left_out: go on where more than a few percent of the objects cannot be used.

    Raises:
        TrainingError: it is not one of them, nothing in it can be used, or too much of it cannot.
    """
    data = folder if isinstance(folder, DetectionSet) else _read(folder)
    refuse_many(data.left_out, allow=allow_left_out)
    problems: list[str] = []
    images = alike(data.images, problems)
    return replace(data, images=tuple(images), problems=(*data.problems, *problems))


def _read(folder: Path) -> DetectionSet:
    for fits, read in LAYOUTS:
        if fits(folder):
            return read(folder)
    raise TrainingError(
        f"{folder.name} is not a COCO ({IMAGES}/ and {ANNOTATIONS}), YOLO (images/ and labels/) or VOC folder "
        "(JPEGImages/ and Annotations/). Give one of these."
    )
