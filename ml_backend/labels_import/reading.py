"""Folders and files with labels, whichever of the known forms they have -> one `Entry` an image."""

from __future__ import annotations

import csv
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Final

from ml_backend.errors import BadRequest, NotFound
from training.data.coco import ANNOTATIONS, IMAGES, is_coco_folder, read_coco_file
from training.data.detection_set import DetectionSet, LabelledImage, LeftOut
from training.data.images import IMAGE_SUFFIXES
from training.data.importers.voc import is_voc_folder, read_voc
from training.data.importers.yolo import is_yolo_folder, read_yolo
from training.data.outlines import outlined_by_boxes
from training.data.values import read_text

FORMATS: Final = ("auto", "coco", "yolo", "voc", "folder", "csv")
IMAGE_COLUMNS: Final = ("file", "filename", "file_name", "image", "path", "name")
LABEL_COLUMNS: Final = ("label", "class", "category")

Find = Callable[[str], Path | None]
"""Finds the file of one of the project's images by its name."""


@dataclass(frozen=True)
class Entry:
    """The labels of one image.

    Attributes:
        name: what the source calls it.
        path: its file, None where the source only names it.
        label: class of the whole image, None where objects are labeled.
        image: its objects, None where the image has a class.
    """

    name: str
    path: Path | None
    label: str | None = None
    image: LabelledImage | None = None


@dataclass(frozen=True)
class Source:
    """Labels as they were read.

    Attributes:
        form: of `FORMATS`.
        classes: class names; for objects an index into them is a class number.
        entries: one an image.
        problems: what was left out while reading, one sentence each.
        left_out: the same in numbers.
    """

    form: str
    classes: tuple[str, ...]
    entries: tuple[Entry, ...]
    problems: tuple[str, ...] = ()
    left_out: LeftOut = field(default_factory=LeftOut)

    @property
    def has_objects(self) -> bool:
        """Whether objects are labeled rather than whole images."""
        return self.form in ("coco", "yolo", "voc")


def read_source(source: Path, form: str, find: Find) -> Source:
    """Read labels.

    Args:
        source: a COCO, YOLO, VOC or class folder, a COCO file, or a CSV file of file name and label.
        form: of `FORMATS`; "auto" looks.
        find: finds images that are not beside the labels.

    Raises:
        NotFound: there is no such file or folder.
        BadRequest: its form is not recognised.
        TrainingError: nothing in it can be used.
    """
    if not source.exists():
        raise NotFound(f"There is no file or folder {source}; check the path.")
    form = _form_of(source) if form == "auto" else form
    match form:
        case "coco":
            return _objects(form, _coco(source, find))
        case "yolo":
            return _objects(form, read_yolo(source, find))
        case "voc":
            return _objects(form, read_voc(source, find))
        case "folder":
            return _class_folder(source)
        case _:
            return _csv(source)


def _form_of(source: Path) -> str:
    if source.is_file():
        forms = {".json": "coco", ".csv": "csv", ".txt": "csv"}
        if source.suffix.lower() in forms:
            return forms[source.suffix.lower()]
    elif is_coco_folder(source) or (source / ANNOTATIONS).is_file():
        return "coco"
    elif is_yolo_folder(source):
        return "yolo"
    elif is_voc_folder(source):
        return "voc"
    elif any(entry.is_dir() and not entry.name.startswith(".") for entry in source.iterdir()):
        return "folder"
    raise BadRequest(
        f"{source.name} is no COCO, YOLO, VOC or class folder, no COCO file (.json) and no table of files and labels "
        "(.csv); give one of these, or say with --format which it is."
    )


def _coco(source: Path, find: Find) -> DetectionSet:
    file = source / ANNOTATIONS if source.is_dir() else source
    return read_coco_file(file, partial(_located, (file.parent / IMAGES, file.parent), find))


def _located(folders: Sequence[Path], find: Find, name: str) -> Path | str:
    for folder in folders:
        path = (folder / name).resolve()
        if path.is_relative_to(folder.resolve()) and path.is_file():
            return path
    found = find(name)
    return f"No image of the project is called {name}, and no file of that name lies there" if found is None else found


def _objects(form: str, data: DetectionSet) -> Source:
    entries = tuple(Entry(image.name, image.path, image=outlined_by_boxes(image)) for image in data.images)
    return Source(form, data.classes, entries, data.problems, data.left_out)


def _class_folder(root: Path) -> Source:
    entries: list[Entry] = []
    for path in sorted(root.glob("*/**/*")):
        inside = path.relative_to(root)
        if (
            path.suffix.lower() in IMAGE_SUFFIXES
            and path.is_file()
            and not any(p.startswith(".") for p in inside.parts)
        ):
            entries.append(Entry(inside.as_posix(), path, label=inside.parts[0]))
    if not entries:
        raise BadRequest(f"There is no image in the class folders of {root.name}; give one sub-folder a class.")
    return Source("folder", _names(entries), tuple(entries))


def _csv(file: Path) -> Source:
    text = read_text(file)
    # Tables carry long cells that nobody asked for, such as pictures as text.
    csv.field_size_limit(max(csv.field_size_limit(), len(text)))
    try:
        dialect: type[csv.Dialect] = csv.Sniffer().sniff(text[:4096], delimiters=",;\t")
    except csv.Error:
        dialect = csv.excel
    try:
        rows = [row for row in csv.reader(text.splitlines(), dialect) if any(cell.strip() for cell in row)]
    except csv.Error as error:
        raise BadRequest(f"{file.name} is no table that can be read; save it as CSV in UTF-8.") from error
    image, label, first = _columns(rows)
    entries, problems = [], []
    for number, row in enumerate(rows[first:], start=first + 1):
        if len(row) <= max(image, label) or not row[image].strip():
            problems.append(f"Line {number} of {file.name} names no file or has no label column; it was left out.")
        elif row[label].strip():
            name = row[image].strip()
            path = file.parent / name
            entries.append(Entry(name, path if path.is_file() else None, label=row[label].strip()))
    if not entries:
        raise BadRequest(f"{file.name} holds no label; give lines of file name and label.")
    return Source("csv", _names(entries), tuple(entries), tuple(problems))


def _columns(rows: Sequence[Sequence[str]]) -> tuple[int, int, int]:
    """Column of the file, column of the label, first row with values; without a header the first two columns."""
    header = [cell.strip().lower() for cell in rows[0]] if rows else []
    image = next((header.index(name) for name in IMAGE_COLUMNS if name in header), None)
    label = next((header.index(name) for name in LABEL_COLUMNS if name in header), None)
    return (0, 1, 0) if image is None or label is None else (image, label, 1)


def _names(entries: Sequence[Entry]) -> tuple[str, ...]:
    return tuple(sorted({entry.label for entry in entries if entry.label is not None}))
