"""The lists of a COCO file: which categories and images it names, and which annotation belongs to which image."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from training.data.coco_turned import by_label_studio, exchanged, over_upright
from training.data.images import SIDES_CHANGE, ImageDecodeError, image_size, orientation_of
from training.data.json_of_others import described
from training.data.reading import Notes
from training.data.values import Unusable, id_key, number, read_text, repeated, text_of
from training.types import TrainingError

LISTS = ("images", "annotations", "categories")
Entry = Mapping[str, object]
Key = int | str
NO_ID = "it has no id"
OTHER_SIZE = "its labels are for another size"
Locate = Callable[[str], Path | str]
"""Finds the image of a `file_name`; returns a sentence where there is none."""


@dataclass(frozen=True)
class Listed:
    """One entry of the `images` list.

    Attributes:
        entry: as it stands there.
        name: what the file calls it.
        path: its file.
        size: `(height, width)` px.
        annotations: of its id.
    """

    entry: Entry
    name: str
    path: Path
    size: tuple[int, int]
    annotations: list[Entry] = field(default_factory=list)


@dataclass(frozen=True)
class Content:
    """The lists of a COCO file, whose entries nobody has looked at yet.

    Attributes:
        images: as they stand there.
        annotations: as they stand there.
        categories: as they stand there.
        is_studios: whether Label Studio's converter wrote the file.
    """

    images: Sequence[object]
    annotations: Sequence[object]
    categories: Sequence[object]
    is_studios: bool


def load(file: Path) -> Content:
    """The content of a COCO file.

    Raises:
        TrainingError: it is something else; the message says what, where that can be seen.
    """
    text = read_text(file)
    how = "export the annotations as COCO JSON."
    try:
        content = json.loads(text)
    except json.JSONDecodeError as error:
        where = f"line {error.lineno}, column {error.colno}"
        raise TrainingError(f"{file.name} is not a COCO file: it is not JSON ({where}); {how}") from error
    except (ValueError, RecursionError) as error:
        raise TrainingError(f"{file.name} is not a COCO file: its JSON cannot be read; {how}") from error
    lists = content if isinstance(content, dict) else {}
    missing = [name for name in LISTS if not isinstance(lists.get(name), list)]
    if missing:
        what = described(content)
        if what:
            raise TrainingError(f"{file.name} is not a COCO file: it is {what}")
        raise TrainingError(f"{file.name} is not a COCO file: it has no list {' and no list '.join(missing)}; {how}")
    return Content(lists["images"], lists["annotations"], lists["categories"], by_label_studio(lists))


def categories(entries: Sequence[object], notes: Notes) -> tuple[tuple[str, ...], dict[Key, int]]:
    """The class names, and the class number of each category id.

    Raises:
        TrainingError: two categories have one id or one name, or one has no name: no object could be told apart.
    """
    names: dict[Key, str] = {}
    for place, entry in enumerate(entries, start=1):
        key = id_key(entry.get("id")) if isinstance(entry, Mapping) else None
        if key is None or not isinstance(entry, Mapping):
            notes.problems.append(f"Category {place} of the list has no id; it was left out.")
            continue
        name = text_of(entry.get("name"))
        if not name:
            raise TrainingError(f"The category with the id {key} has no name; give it one.")
        if names.setdefault(key, name) != name:
            raise TrainingError(
                f"Two categories of the COCO file have the same id {key}: {names[key]} and {name}; give each its own."
            )
    if twins := repeated(names.values()):
        raise TrainingError(f"Two categories of the COCO file have the same name, {twins[0]}; give each its own.")
    if not names:
        raise TrainingError("The COCO file has no categories. Add them.")
    return tuple(names.values()), {key: number for number, key in enumerate(names)}


def pictures(content: Content, locate: Locate, notes: Notes) -> tuple[list[Listed], bool]:
    """The pictures that can be used with their annotations; one that is listed twice comes twice.

    Returns:
        Pictures, and whether every annotation has a picture. Where not, one without annotations may be its picture.
    """
    keys = [id_key(entry.get("id")) if isinstance(entry, Mapping) else None for entry in content.images]
    twice = set(repeated(key for key in keys if key is not None))
    by_image, lost = _by_image(content.annotations, set(keys), notes)
    found: list[Listed] = []
    spoiled: set[Path] = set()
    for place, (key, entry) in enumerate(zip(keys, content.images, strict=True), start=1):
        picture = _picture(place, entry, locate, notes)
        if picture is None:
            continue
        annotations = by_image.get(key, []) if key is not None else []
        if (
            content.is_studios
            and exchanged(picture.entry, picture.size)
            and orientation_of(picture.path) in SIDES_CHANGE
        ):
            upright = over_upright(annotations, picture.size)
            if upright is not None:
                annotations, (height, width) = upright, picture.size
                picture = replace(picture, entry={**picture.entry, "height": height, "width": width})
        fault = _fault(picture, key, key in twice)
        if key is None or fault:
            notes.image_left_out(*(fault or (f"{picture.name} has no id in the COCO file; it was left out.", NO_ID)))
            spoiled.add(picture.path)
            continue
        found.append(replace(picture, annotations=annotations))
    for picture in found:
        if picture.path in spoiled:
            sentence = f"{picture.name} is listed twice, once with a mistake; it was left out."
            notes.image_left_out(sentence, "it is listed twice")
    return [picture for picture in found if picture.path not in spoiled], not lost


def _by_image(
    annotations: Sequence[object], keys: Collection[Key | None], notes: Notes
) -> tuple[dict[Key, list[Entry]], int]:
    """The annotations of each image, and how many belong to none."""
    found: dict[Key, list[Entry]] = defaultdict(list)
    lost = 0
    for annotation in annotations:
        key = id_key(annotation.get("image_id")) if isinstance(annotation, Mapping) else None
        if key is not None and key in keys and isinstance(annotation, Mapping):
            found[key].append(annotation)
        else:
            lost += 1
    notes.entries += len(annotations)
    if lost:
        sentence = f"{lost} annotations belong to no image; they were left out, and images without annotations do not "
        notes.objects_left_out(lost, "they belong to no image of the file", f"{sentence}count as empty.")
    return found, lost


def _picture(place: int, entry: object, locate: Locate, notes: Notes) -> Listed | None:
    """The file of an entry of the `images` list."""
    name = text_of(entry.get("file_name")) if isinstance(entry, Mapping) else ""
    if not name or not isinstance(entry, Mapping):
        notes.image_left_out(f"Image {place} of the list has no file name; it was left out.", "it has no file name")
        return None
    try:
        path = locate(name)
    except (OSError, ValueError):
        path = f"{name} cannot be the name of a file"
    if isinstance(path, str):
        notes.problems.append(f"{path}; it was left out.")
        return None
    try:
        return Listed(entry, name, path, image_size(path))
    except ImageDecodeError as error:
        notes.image_left_out(f"{error} It was left out.", "its file cannot be read")
        return None


def _fault(picture: Listed, key: Key | None, is_repeated: bool) -> tuple[str, str] | None:
    """Why a picture cannot be used, as sentence and kind."""
    name, (height, width) = picture.name, picture.size
    if is_repeated:
        return f"{name} has the same id as another image, {key}; both were left out.", "two images have one id"
    sides = [picture.entry.get("height"), picture.entry.get("width")]
    try:
        stated = [number(side) if side not in (None, "") else 0 for side in sides]
    except Unusable as error:
        return f"The height or width of {name} cannot be read ({error}); it was left out.", "its size cannot be read"
    if (stated[0] or height, stated[1] or width) != picture.size:
        theirs = f"{stated[1]:g} x {stated[0]:g}"
        return f"{name} is {width} x {height} px, its annotations are for {theirs}; it was left out.", OTHER_SIZE
    return None
