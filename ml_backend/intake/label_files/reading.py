"""Folders and files with labels, whichever of the known forms they have -> one `Entry` an image."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

from ml_backend.errors import BadRequest, NotFound
from ml_backend.intake.label_files.studio_labels import classes_in, objects_in
from ml_backend.intake.label_files.tables import ANY_WORDS, Line, Words, lines_of, table_rows
from ml_backend.label_studio.exports import Task, full_tasks, has_regions, is_full, job_of, short_tasks
from training.data.class_folders import ClassFolders, normal
from training.data.coco import ANNOTATIONS, coco_file, read_coco_file
from training.data.detection_set import DetectionSet, LabelledImage, LeftOut
from training.data.finding import IMAGES, Find, ImageFinder
from training.data.folders import image_files
from training.data.importers.voc import is_voc_folder, read_voc
from training.data.importers.yolo import is_yolo_folder, read_yolo
from training.data.json_of_others import LABEL_STUDIO, SHORT, described
from training.data.values import begins_with, read_text

MASK: Final = re.compile(r"task-\d+-annotation-\d+-by-.*\.(?:png|npy)", re.DOTALL)
"""Name of a brush mask as a file."""

TABLES: Final = (".csv", ".tsv")


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
        form: what it is: "coco", "yolo", "voc", "folder", "csv" or "label-studio".
        classes: class names; for objects an index into them is a class number.
        entries: one per image.
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
        return self.form in ("coco", "yolo", "voc") or any(entry.image is not None for entry in self.entries)


def read_source(source: Path, form: str, find: Find | None = None, words: Words = ANY_WORDS) -> Source:
    """Read labels.

    Args:
        source: a COCO, YOLO, VOC or class folder, a COCO file, or a CSV file of file name and label.
        form: "coco", "yolo", "voc", "folder", "csv" or "label-studio"; "auto" looks.
        find: finds images that are not beside the labels; None: nobody knows them.
        words: what the cells of a table may mean.

    Raises:
        NotFound: there is no such file or folder.
        BadRequest: its form is not recognized.
        TrainingError: nothing in it can be used.
    """
    if not source.exists():
        raise NotFound(f"There is no file or folder {source}; check the path.", code="labels.no_source")
    form = _form_of(source) if form == "auto" else form
    match form:
        case "coco":
            return _objects(form, _coco(source, find))
        case "yolo":
            return _objects(form, read_yolo(source, find or _nowhere))
        case "voc":
            return _objects(form, read_voc(source, find or _nowhere))
        case "folder":
            return _class_folder(source)
        case "label-studio":
            return read_studio(json_in(source), find, words)
        case _:
            return _csv(table_in(source) or source, find, words)


def _form_of(source: Path) -> str:
    if export_in(source):
        return "label-studio"
    refuse_masks(source)
    if source.is_file():
        forms = {".json": "coco", ".csv": "csv", ".tsv": "csv", ".txt": "csv"}
        if source.suffix.lower() in forms:
            return forms[source.suffix.lower()]
    elif coco_file(source) is not None:
        return "coco"
    elif is_yolo_folder(source):
        return "yolo"
    elif is_voc_folder(source):
        return "voc"
    elif table_in(source):
        return "csv"
    elif any(entry.is_dir() and not entry.name.startswith(".") for entry in source.iterdir()):
        return "folder"
    raise BadRequest(
        f"{source.name} is not a COCO, YOLO, VOC or class folder, a COCO file (.json) or a table of files and "
        "labels (.csv). Give one of these, or name the format with --format.",
        code="labels.unknown_format",
    )


def _nowhere(name: str) -> None:
    """Finds no image."""


def _coco(source: Path, find: Find | None) -> DetectionSet:
    file = (coco_file(source) or source / ANNOTATIONS) if source.is_dir() else source
    return read_coco_file(file, ImageFinder(file.parent, find))


def json_in(source: Path) -> Path:
    """The one JSON file of a folder; any other source as it is."""
    files = sorted(source.glob("*.json")) if source.is_dir() else []
    return files[0] if len(files) == 1 else source


def export_in(source: Path) -> Path | None:
    """Label Studio's own JSON export, be it the file or the one JSON file of a folder."""
    file = json_in(source)
    if file.is_dir() or file.suffix.lower() != ".json" or not begins_with(file, "["):
        return None
    return file if described(_entries(file)) in (LABEL_STUDIO, SHORT) else None


def table_in(source: Path) -> Path | None:
    """The one table of a folder that holds nothing else but images, in `images/` or beside it, as it is exported."""
    if not source.is_dir():
        return None
    found = [path for path in source.iterdir() if not path.name.startswith(".")]
    tables = [path for path in found if path.suffix.lower() in TABLES and path.is_file()]
    others = any(path.is_dir() and path.name != IMAGES for path in found)
    return tables[0] if len(tables) == 1 and not others else None


def refuse_masks(folder: Path) -> None:
    """Stop where a folder holds Label Studio's export of brush masks as single files.

    Raises:
        BadRequest: it does. Such a file names its task by number, which is another image in another project.
    """
    if folder.is_dir() and any(MASK.fullmatch(path.name) for path in folder.iterdir()):
        raise BadRequest(
            f"{folder.name} contains brush masks as PNG or NumPy files, which do not say which image they "
            "belong to. Export JSON or 'Brush labels to COCO' from Label Studio instead.",
            code="labels.unknown_format",
        )


def _entries(file: Path) -> list[Any]:
    try:
        content = json.loads(read_text(file))
    except (ValueError, RecursionError) as error:
        raise BadRequest(f"{file.name} is not valid JSON. Export it again.", code="labels.unreadable") from error
    return content if isinstance(content, list) else []


def read_studio(file: Path, find: Find | None, words: Words = ANY_WORDS) -> Source:
    """Labels of Label Studio's JSON and JSON-MIN exports.

    Args:
        file: the export.
        find: finds images by their names.
        words: what values may mean in JSON-MIN, where data and classes are not told apart.

    Raises:
        BadRequest: it holds no labels.
    """
    entries = _entries(file)
    if is_full(entries) or has_regions(entries):
        return _of_tasks(file, full_tasks(entries) if is_full(entries) else short_tasks(entries), find, words)
    records = [entry for entry in entries if isinstance(entry, dict)]
    header = list(dict.fromkeys(key for record in records for key in record))
    rows = [
        [value if isinstance(value := record.get(key, ""), str) else json.dumps(value) for key in header]
        for record in records
    ]
    return _classes("label-studio", file, *lines_of(file.name, list(enumerate([header, *rows])), words))


def _of_tasks(file: Path, tasks: Sequence[Task], find: Find | None, words: Words) -> Source:
    job = job_of(tasks, words.objects)
    if job.finds_objects:
        finder = ImageFinder(file.parent, find)
        finder.expect_names(name for task in tasks for name in task.names[:1])
        return _objects("label-studio", objects_in(tasks, job, finder))
    labels, problems = classes_in(tasks, job)
    entries = tuple(Entry(name, None, label=label) for name, label in labels)
    return Source("label-studio", _names(entries), entries, tuple(problems))


def _objects(form: str, data: DetectionSet) -> Source:
    entries = tuple(Entry(image.name, image.path, image=image) for image in data.images)
    return Source(form, data.classes, entries, data.problems, data.left_out)


def _class_folder(root: Path) -> Source:
    found = image_files(root)
    names = {path.relative_to(root).as_posix(): path for path in found.files}
    folders = ClassFolders.of(names)
    entries = [Entry(name, path, label=said) for name, path in names.items() if (said := folders.class_of(name))]
    if not entries:
        raise BadRequest(f"There is no image in the class folders of {root.name}. Use one subfolder per class.")
    return Source("folder", _names(entries), tuple(entries), tuple(found.sentences()))


def _csv(file: Path, find: Find | None, words: Words) -> Source:
    rows = table_rows(file)
    records = [dict(zip(rows[0][1], row, strict=False)) for _, row in rows[1:]]
    if has_regions(records):
        return _of_tasks(file, short_tasks(records), find, words)
    return _classes("csv", file, *lines_of(file.name, rows, words))


def _classes(form: str, file: Path, lines: Sequence[Line], problems: Sequence[str], left_out: LeftOut) -> Source:
    entries = [Entry(line.name, _beside(file, line.name), label=line.label) for line in lines]
    if not entries:
        raise BadRequest(
            f"{file.name} contains no labels. Write a file name and a label on each line.", code="labels.none"
        )
    return Source(form, _names(entries), tuple(entries), tuple(problems), left_out)


def _beside(file: Path, name: str) -> Path | None:
    """The image that a table names by its path."""
    try:
        path = file.parent / name
        return path if path.is_file() else None
    except (OSError, ValueError):
        return None


def _names(entries: Sequence[Entry]) -> tuple[str, ...]:
    return tuple(sorted({entry.label for entry in entries if entry.label is not None}))


def spelled_as(labels: Source, classes: Sequence[str]) -> Source:
    """Labels with the names of a project, where they differ in nothing but Unicode form and space around them."""
    known = {normal(name): name for name in classes}
    if len(known) != len(classes):
        return labels
    spelled = {name: name if name in classes else known.get(normal(name), name) for name in labels.classes}
    if len(set(spelled.values())) != len(spelled):
        return labels
    entries = tuple(
        entry if entry.label is None else replace(entry, label=spelled[entry.label]) for entry in labels.entries
    )
    return replace(labels, classes=tuple(spelled.values()), entries=entries)
