"""A folder with one subfolder a class, or a list of images with classes -> samples."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from training.data.class_folders import ClassFolders, Part
from training.data.class_list import ClassList
from training.data.finding import IMAGES
from training.data.folders import image_files
from training.data.split import assign_split, source_group
from training.types import Sample, TrainingError


def read_class_folder(
    root: Path | ClassList, *, pattern: str = "", fraction: float = 0.2, salt: str = "paploop"
) -> list[Sample]:
    """Samples to learn from, `root/<class>/**/<image>`, in the order of their paths.

    Where the folder holds the parts of a split, `train` and `val` are used as such and `test` is kept apart; without a
    `val` some groups of `train` are held out.

    Args:
        root: see `training.data.class_folders`; or a list, which has no parts.
        pattern: finds the source group in a path below its class folder, see `source_group`.
        fraction: share of groups held out for validation.
        salt: see `assign_split`.

    Raises:
        TrainingError: no such folder, no part to learn from, or fewer than two class folders with images.
    """
    found = _labelled(root, pattern)
    parts = {part for _, part in found}
    if parts != {""} and "train" not in parts:
        raise TrainingError(
            f"{_title(root)} contains a split without a folder train. Give the folder above it, or one part."
        )
    samples: list[Sample] = []
    for sample, part in found:
        if part in ("train", "validation", ""):
            held_out = part == "validation" or (
                "validation" not in parts and assign_split(sample.group, fraction, salt) == "validation"
            )
            samples.append(_numbered(sample, len(samples), "validation" if held_out else "train"))
    return _of_two_classes(samples, root)


def read_parts(root: Path | ClassList, *, pattern: str = "") -> tuple[list[Sample], list[Sample]]:
    """Samples to learn from, and those that the folder itself keeps apart to measure on, if it does.

    Measured is on `test`, without one on `val`, which is learned from otherwise.

    Args:
        root: see `read_class_folder`.
        pattern: see there.

    Raises:
        TrainingError: no such folder, or fewer than two class folders with images to learn from.
    """
    found = _labelled(root, pattern)
    parts = {part for _, part in found}
    apart: Part = "test" if "test" in parts else "validation"
    if "train" not in parts:
        apart = ""
    kept = [sample for sample, part in found if part and part == apart]
    learned = [sample for sample, part in found if not part or part != apart]
    return _of_two_classes(learned, root), kept


def _labelled(root: Path | ClassList, pattern: str) -> list[tuple[Sample, Part]]:
    if isinstance(root, ClassList):
        return _listed(root, pattern)
    if not root.is_dir():
        raise TrainingError(f"There is no folder {root}; check the path.")
    paths = {path.relative_to(root).as_posix(): path for path in image_files(root).files}
    folders = ClassFolders.of(paths)
    found: list[tuple[Sample, Part]] = []
    for name, path in paths.items():
        label = folders.class_of(name)
        if label:
            inside = name.split("/", 2 if folders.parts else 1)[-1]
            # Without a pattern two classes may use one file name for different images.
            group = source_group(inside, pattern) if pattern else name
            found.append((Sample(len(found), path, label, "train", group), folders.part_of(name)))
    return found


def _listed(images: ClassList, pattern: str) -> list[tuple[Sample, Part]]:
    found: list[tuple[Sample, Part]] = []
    for name, label in sorted(images.labels.items()):
        group = source_group(name.removeprefix(f"{IMAGES}/"), pattern)
        found.append((Sample(len(found), images.root / name, label, "train", group), ""))
    return found


def _title(root: Path | ClassList) -> str:
    return root.title if isinstance(root, ClassList) else root.name


def _numbered(sample: Sample, number: int, split: Literal["train", "validation"]) -> Sample:
    return Sample(number, sample.path, sample.label, split, sample.group)


def _of_two_classes(samples: list[Sample], root: Path | ClassList) -> list[Sample]:
    if len({sample.label for sample in samples}) < 2:
        if isinstance(root, ClassList):
            raise TrainingError(f"{root.title} has images of fewer than two classes. Label more images.")
        raise TrainingError(f"There are fewer than two class folders with images in {root}. Use one folder per class.")
    return samples
