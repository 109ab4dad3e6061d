"""A YOLO folder (`labels/*.txt`, `classes.txt` or `data.yaml`, `images/`) -> `DetectionSet`.

An image without a label file, or with an empty one, was searched and holds nothing. That is said of none without a
label file where some label file has no image, for it may be its image under another name, and where there is no label
file at all.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

from training.data.detection_set import DetectionSet
from training.data.finding import Find, expect_stems, of_stem
from training.data.folders import image_files
from training.data.images import ImageDecodeError, image_size
from training.data.importers.yolo_classes import CLASSES, class_names, keypoints_of
from training.data.importers.yolo_lines import Hints, class_in, hints_of, place_in, split_line
from training.data.reading import NAMED, Notes, Objects, usable
from training.data.values import Unusable, read_text
from training.types import TrainingError

IMAGES, LABELS = "images", "labels"


def is_yolo_folder(folder: Path) -> bool:
    """Whether `folder` holds `labels/` with text files, or with `images/` beside it."""
    labels = folder / LABELS
    return labels.is_dir() and ((folder / IMAGES).is_dir() or any(labels.rglob("*.txt")))


def read_yolo(folder: Path, find: Find = lambda _: None) -> DetectionSet:
    """Read a YOLO folder; what cannot be used is left out with a sentence, the rest goes on.

    Some objects may have an outline and others a box alone.

    Args:
        folder: with `labels/`.
        find: finds images that do not lie beside the labels.

    Raises:
        TrainingError: the class names are missing, or no image can be used.
    """
    numbers = class_names(folder, folder / LABELS)
    classes = tuple(numbers.values())
    notes = Notes()
    pictures, without_image = _pictures(folder, find, notes)
    has_labels = any(picture.lines is not None for picture in pictures)
    hints = hints_of((line for picture in pictures for line in picture.lines or ()), keypoints_of(folder))
    places = {number: place for place, number in enumerate(numbers)}
    images = []
    for picture in pictures:
        objects = _objects(picture, places, hints, notes)
        if picture.lines is None and (without_image or not has_labels):
            objects.leave_out()
        images.append(objects.image(picture.path, picture.name, picture.size))
    kept = usable(images, notes)
    if not kept:
        reason = f" ({notes.problems[0]})" if notes.problems else ""
        raise TrainingError(f"No image of {folder.name} can be used{reason}; put the files into {IMAGES}/.")
    return DetectionSet(classes, kept, notes.sentences(), notes.left_out())


@dataclass(frozen=True)
class _Picture:
    """An image and the lines of its label file, None where it has no such file."""

    path: Path
    name: str
    size: tuple[int, int]
    lines: list[str] | None


def _pictures(folder: Path, find: Find, notes: Notes) -> tuple[list[_Picture], bool]:
    """The images that can be used, and whether some label file has no image."""
    beside: dict[str, list[Path]] = defaultdict(list)
    for path in image_files(folder / IMAGES).files if (folder / IMAGES).is_dir() else ():
        beside[path.relative_to(folder / IMAGES).with_suffix("").as_posix()].append(path)
    labels = {
        file.relative_to(folder / LABELS).with_suffix("").as_posix(): file
        for file in sorted((folder / LABELS).rglob("*.txt"))
        if not file.name.startswith(".") and file.name != CLASSES
    }
    orphans = []
    missing = sorted(set(labels) - set(beside))
    expect_stems(find, missing)
    for stem in missing:
        elsewhere = of_stem(find, stem)
        if elsewhere is None:
            orphans.append(labels[stem].name)
        else:
            beside[stem].append(elsewhere)
    if orphans:
        named = ", ".join(orphans[:NAMED]) + (", ..." if len(orphans) > NAMED else "")
        kind = "a label file has no image with its name"
        notes.images[kind] += len(orphans)
        notes.problems.append(
            f"{len(orphans)} label files have no image with their name ({named}). Give both the same name; "
            "until then, images without a label file do not count as empty."
        )
    pictures = (_picture(stem, paths, labels.get(stem), notes) for stem, paths in sorted(beside.items()))
    return [picture for picture in pictures if picture is not None], bool(orphans)


def _picture(stem: str, paths: list[Path], labels: Path | None, notes: Notes) -> _Picture | None:
    path = paths[0]
    name = f"{stem}{path.suffix}"
    if len(paths) > 1:
        names = " and ".join(each.name for each in paths)
        notes.image_left_out(f"{names} share the label file {stem}.txt; they were left out.", "images share labels")
        return None
    try:
        return _Picture(path, name, image_size(path), None if labels is None else read_text(labels).splitlines())
    except ImageDecodeError as error:
        notes.image_left_out(f"{error} It was left out.", "its file cannot be read")
    except TrainingError as error:
        notes.image_left_out(f"{name}: {error} It was left out.", "its label file cannot be read")
    return None


def _objects(picture: _Picture, places: dict[int, int], hints: Hints, notes: Notes) -> Objects:
    objects = Objects()
    for row, line in enumerate(picture.lines or (), start=1):
        if not line.strip():
            continue
        notes.entries += 1
        box = None
        try:
            words = split_line(line)
            box, mask = place_in(words, picture.size, hints)
            number = class_in(words)
            if number not in places:
                raise Unusable("its class number has no name", f"there is no class {number}")
        except Unusable as error:
            notes.object_left_out(f"{picture.name}: line {row}", error)
            objects.leave_out(box)
            continue
        objects.add(box, places[number], mask)
    return objects
