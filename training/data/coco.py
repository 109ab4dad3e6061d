"""COCO files: `images/` + `annotations.json` -> `DetectionSet`.

What cannot be used is left out with one sentence each; the rest goes on. Beyond the format itself, an image may carry
`group` (its patient or slide) and `checked` (list of `[x, y, w, h]`: only there an unlabeled place is background), and
an annotation with `iscrowd` or `ignore` is a region in which nothing is learned or counted.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from training.data.coco_entries import Entry, Key, Listed, Locate, categories, load, pictures
from training.data.coco_shapes import box_at, place_of
from training.data.detection_set import DetectionSet, LabelledImage
from training.data.finding import ImageFinder
from training.data.images import IMAGE_SUFFIXES
from training.data.outlines import alike
from training.data.reading import Notes, Objects, together, usable
from training.data.values import Unusable, begins_with, flag, id_key, text_of
from training.files import write_bytes_atomic
from training.types import TrainingError

ANNOTATIONS, IMAGES = "annotations.json", "images"


FILES = (ANNOTATIONS, "result.json", "result_coco.json", "_annotations.coco.json")
"""Names of the file: PapLoop's, those of Label Studio's exports (the second of brush masks), Roboflow's."""


def coco_file(folder: Path) -> Path | None:
    """The COCO file of a folder; Label Studio gives the same name to its own JSON, which is a list."""
    return next((path for name in FILES if (path := folder / name).is_file() and not begins_with(path, "[")), None)


def is_coco_folder(folder: Path) -> bool:
    """Whether `folder` holds a COCO file, and its images in `images/` or beside it."""
    file = coco_file(folder)
    if file is None:
        return False
    return (folder / IMAGES).is_dir() or any(path.suffix.lower() in IMAGE_SUFFIXES for path in folder.iterdir())


def read_coco(folder: Path) -> DetectionSet:
    """Read a COCO folder.

    Raises:
        TrainingError: the file is not a COCO file at all, or no image of it can be used.
    """
    data = read_coco_file(coco_file(folder) or folder / ANNOTATIONS, ImageFinder(folder))
    problems: list[str] = []
    images = alike(data.images, problems)
    return replace(data, images=tuple(images), problems=(*data.problems, *problems))


def read_coco_file(file: Path, locate: Locate | ImageFinder) -> DetectionSet:
    """Read a COCO file whose images lie anywhere; some objects may have an outline and others a box alone.

    Args:
        file: the annotations.
        locate: finds the image of a `file_name`; returns a sentence where there is none.

    Raises:
        TrainingError: the file is not a COCO file at all, or no image of it can be used.
    """
    content = load(file)
    notes = Notes()
    if isinstance(locate, ImageFinder):
        listed_names = (entry.get("file_name") for entry in content.images if isinstance(entry, Mapping))
        locate.expect_names(name for name in listed_names if isinstance(name, str))
        locate = locate.locate
    names, numbers = categories(content.categories, notes)
    listed, all_belong = pictures(content, locate, notes)
    images: dict[Path, LabelledImage] = {}
    for picture in listed:
        objects = _objects(picture, numbers, notes)
        if not picture.annotations and not all_belong:
            objects.leave_out()
        image = objects.image(picture.path, picture.name, picture.size, text_of(picture.entry.get("group")))
        if picture.path in images:
            notes.problems.append(f"{picture.name} is listed more than once; its objects were combined.")
            image = together(images[picture.path], image)
        images[picture.path] = image
    kept = usable(images.values(), notes)
    if not kept:
        reason = f" ({notes.problems[0]})" if notes.problems else ""
        where = file.parent.name or file.name
        raise TrainingError(f"No image of {where} can be used{reason}; put the files into {IMAGES}/.")
    return DetectionSet(names, kept, notes.sentences(), notes.left_out())


def write_json(path: Path, classes: Sequence[str], images: Sequence[Entry], annotations: Sequence[Entry]) -> None:
    """Write a COCO file whose category ids count from 1 in the order of `classes`."""
    categories = [{"id": number, "name": name} for number, name in enumerate(classes, start=1)]
    content = {"images": list(images), "annotations": list(annotations), "categories": categories}
    write_bytes_atomic(path, (json.dumps(content, allow_nan=False) + "\n").encode())


def _objects(picture: Listed, numbers: Mapping[Key, int], notes: Notes) -> Objects:
    objects = Objects()
    for place, annotation in enumerate(picture.annotations, start=1):
        where = f"{picture.name}: annotation {text_of(annotation.get('id')) or f'number {place}'}"
        box = None
        try:
            box, mask, told = place_of(annotation, picture.size)
            if flag(annotation.get("iscrowd")) or flag(annotation.get("ignore")):
                objects.leave_out(box)
                continue
            number = numbers.get(id_key(annotation.get("category_id")))  # type: ignore[arg-type]  # None is not a key
            if number is None:
                raise Unusable("its category is not listed")
        except Unusable as error:
            notes.object_left_out(where, error)
            objects.leave_out(box)
            continue
        if told:
            notes.problems.append(f"{where}: {told}")
        objects.add(box, number, mask)
    _searched(picture, objects, notes)
    return objects


def _searched(picture: Listed, objects: Objects, notes: Notes) -> None:
    """Takes over which parts of a picture were searched."""
    given = picture.entry.get("checked")
    if given is None:
        return
    try:
        if not isinstance(given, list):
            raise Unusable("a list of boxes is missing")
        objects.checked = [box_at(box, picture.size) for box in given]
    except Unusable as error:
        objects.checked = []
        notes.problems.append(
            f"{picture.name}: the list of checked areas cannot be used ({error}); no area counts as searched."
        )
