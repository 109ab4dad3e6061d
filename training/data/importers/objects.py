"""A folder of images with labeled objects, whichever of the known layouts it has."""

from __future__ import annotations

from pathlib import Path

from training.data.coco import ANNOTATIONS, IMAGES, is_coco_folder, read_coco
from training.data.detection_set import DetectionSet
from training.data.importers.voc import is_voc_folder, read_voc
from training.data.importers.yolo import is_yolo_folder, read_yolo
from training.types import TrainingError

LAYOUTS = ((is_coco_folder, read_coco), (is_yolo_folder, read_yolo), (is_voc_folder, read_voc))


def is_object_folder(folder: Path) -> bool:
    """Whether the folder has a layout that `read_objects` knows."""
    return any(fits(folder) for fits, _ in LAYOUTS)


def read_objects(folder: Path) -> DetectionSet:
    """Read a COCO, YOLO or VOC folder.

    Raises:
        TrainingError: it is none of them, or nothing in it can be used.
    """
    for fits, read in LAYOUTS:
        if fits(folder):
            return read(folder)
    raise TrainingError(
        f"{folder.name} is no COCO ({IMAGES}/ and {ANNOTATIONS}), YOLO (images/ and labels/) or VOC folder "
        "(JPEGImages/ and Annotations/); give one of these."
    )
