"""What a data folder is, and what the folder of a fitted model contains."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from training.data import folders
from training.data.class_folders import part_named
from training.data.class_list import ClassList
from training.data.coco import ANNOTATIONS, IMAGES, is_coco_folder
from training.data.detection_set import DetectionSet
from training.data.images import content_hash
from training.data.importers.objects import is_object_folder
from training.detection.checkpoint import is_detector
from training.files import CHECKPOINT, MODEL_FILE, read_json, write_json_atomic
from training.types import TrainingError

SEEN = "trained_on.json"
Kind = Literal["objects", "classes"]
Labels = Path | DetectionSet | ClassList
"""A folder of one of the known layouts, or labels that were read already."""


@dataclass(frozen=True)
class HoldOut:
    """Which images of a folder are kept out of training, to measure the model on; whole groups, never a part of one.

    Attributes:
        fraction: share of the images in (0, 1).
        pattern: regular expression that finds the group (patient, slide) in a file's name; empty: by the kind of data.
    """

    fraction: float
    pattern: str = ""


def data_kind(folder: Labels) -> Kind:
    """`objects` for a COCO, YOLO or VOC folder, `classes` for a class folder; of labels that were read, what they are.

    Raises:
        TrainingError: it is neither.
    """
    if not isinstance(folder, Path):
        return "objects" if isinstance(folder, DetectionSet) else "classes"
    if not folder.is_dir():
        raise TrainingError(f"There is no folder {folder}; check the path.")
    if is_object_folder(folder):
        return "objects"
    parts = object_parts(folder)
    if parts:
        raise TrainingError(
            f"{folder.name} contains the parts of a split, each a data set with objects ({', '.join(parts)}). "
            f"Give one of them, such as {folder / parts[0]}."
        )
    if (folder / ANNOTATIONS).exists() or (folder / IMAGES).is_dir():
        missing = f"{IMAGES}/" if (folder / ANNOTATIONS).exists() else ANNOTATIONS
        raise TrainingError(f"{folder.name} looks like a COCO folder but has no {missing}. Add it.")
    if any(child.is_dir() and not child.name.startswith(".") for child in folder.iterdir()):
        return "classes"
    raise TrainingError(
        f"{folder.name} is neither a class folder (one subfolder per class) nor a COCO folder ({IMAGES}/ and "
        f"{ANNOTATIONS}); give one of these."
    )


def object_parts(folder: Path) -> list[str]:
    """Names of subfolders that are parts of a split and sets with objects, the one to learn from first."""
    order = ("train", "validation", "test")
    named = [child for child in folder.iterdir() if part_named(child.name) and child.is_dir()]
    found = [child.name for child in named if is_object_folder(child)]
    return sorted(found, key=lambda name: order.index(part_named(name)))


def model_kind(folder: Path) -> tuple[Kind, Path]:
    """What a fitted model finds, and its checkpoint; accepts the folder of a run or the checkpoint itself.

    Raises:
        TrainingError: there is no model.
    """
    for candidate in (folder / CHECKPOINT, folder):
        if is_detector(candidate):
            return "objects", candidate
        if (candidate / MODEL_FILE).is_file():
            return "classes", candidate
    raise TrainingError(f"There is no model in {folder}; give the folder that `paploop fit` wrote.")


def image_files(source: Path) -> tuple[Path, list[Path]]:
    """The folder that names are relative to, and its images in order; a single file stands in its own folder.

    Raises:
        TrainingError: there is none.
    """
    if source.is_file():
        return source.parent, [source]
    if not source.is_dir():
        raise TrainingError(f"There is no file or folder {source}; check the path.")
    root = source / IMAGES if is_coco_folder(source) and (source / IMAGES).is_dir() else source
    found = list(folders.image_files(root).files)
    if not found:
        raise TrainingError(f"There is no image in {source}; give PNG, JPEG, TIFF, BMP, WebP or GIF files.")
    return root, found


def remember(out: Path, paths: Iterable[Path]) -> None:
    """Record which images a model was trained on, by content."""
    write_json_atomic(out / SEEN, {"sha256": sorted({content_hash(path) for path in paths if path.is_file()})})


def seen_by(model: Path) -> frozenset[str]:
    """SHA-256 of the images a model was trained on; empty if not recorded."""
    for folder in (model, model.parent):
        if (folder / SEEN).is_file():
            return frozenset(map(str, read_json(folder / SEEN).get("sha256", [])))
    return frozenset()


def split_seen(model: Path, paths: Iterable[Path]) -> list[bool]:
    """For each image, whether the model was trained on it."""
    seen = seen_by(model)
    return [bool(seen) and path.is_file() and content_hash(path) in seen for path in paths]
