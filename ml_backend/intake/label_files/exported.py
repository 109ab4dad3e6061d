"""Labels that `fit`, `evaluate`, `replay` and `simulate` are given: a folder as it is, or what a file names.

The folder engines know class, COCO, YOLO and VOC folders by themselves. Label Studio's own exports, tables and single
COCO files are read here, by the rules of `import-labels`, and handed on as labels, so that training need not know them.
"""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path
from typing import TYPE_CHECKING

from ml_backend.errors import BadRequest
from ml_backend.intake.label_files.reading import Source, export_in, read_source, refuse_masks, table_in
from training.data.class_list import ClassList
from training.data.detection_set import DetectionSet
from training.data.finding import IMAGES, ImageFinder

if TYPE_CHECKING:
    from training.standalone.layout import Labels

NAMED = 3


def labels_in(source: Path) -> Labels:
    """The labels of a file or of the export in a folder, with their images; any other folder stays a folder.

    Args:
        source: an export of Label Studio, a table or a COCO file; or a folder. Images are looked for in `images/` below
            the folder of the file and right in it.

    Raises:
        BadRequest: the file is none of these, or none of its images lies there.
        TrainingError: nothing in it can be used.
    """
    source = source.expanduser()
    file = exported_file(source)
    if file is None:
        refuse_masks(source)
        return source
    labels = read_source(file, "auto")
    if labels.has_objects or not labels.entries:
        return set_of(labels, file)
    return _listed(file, labels)


def set_of(labels: Source, file: Path) -> DetectionSet:
    """Images with objects as the engines take them.

    Raises:
        BadRequest: none could be found.
    """
    images = tuple(entry.image for entry in labels.entries if entry.image is not None)
    if not images:
        raise _imageless(file, labels.problems[0] if labels.problems else "")
    return DetectionSet(labels.classes, images, labels.problems, labels.left_out)


def exported_file(source: Path) -> Path | None:
    """The file to read: the source itself, or the export that a folder holds; None for any other folder."""
    return source if source.is_file() else export_in(source) or table_in(source)


def objects(given: Labels) -> Path | DetectionSet:
    """What a reader of objects takes of labels whose kind is known.

    Raises:
        BadRequest: they name whole images.
    """
    if isinstance(given, ClassList):
        raise BadRequest(
            f"{given.title} contains classes of whole images and no objects. Give labels of objects.",
            code="labels.other_kind",
        )
    return given


def named(given: Labels) -> Path | ClassList:
    """What a reader of whole-image classes takes of labels whose kind is known.

    Raises:
        BadRequest: they draw objects.
    """
    if isinstance(given, DetectionSet):
        raise BadRequest(
            "The labels are objects, not classes of whole images. Give images with classes.",
            code="labels.other_kind",
        )
    return given


def _listed(file: Path, labels: Source) -> ClassList:
    """Classes by image; one to which several were given has none."""
    root = file.parent.resolve()
    finder = ImageFinder(root)
    finder.expect_names(entry.name for entry in labels.entries)
    said: dict[str, set[str]] = defaultdict(set)
    lost: list[str] = []
    for entry in labels.entries:
        path = finder(entry.name)
        if path is None:
            lost.append(entry.name)
        else:
            said[path.relative_to(root).as_posix()].add(str(entry.label))
    if not said:
        raise _imageless(file, f"The first is {lost[0]}.")
    unclear = [name for name, classes in said.items() if len(classes) > 1]
    problems = list(labels.problems)
    if lost:
        problems.append(
            f"{len(lost)} images named in {file.name} are not beside it ({_few(lost)}); they were left out."
        )
    if unclear:
        problems.append(f"{len(unclear)} images have more than one class ({_few(unclear)}); they were left out.")
    return ClassList(
        file.name,
        root,
        {name: next(iter(classes)) for name, classes in said.items() if len(classes) == 1},
        tuple(problems),
    )


def _few(names: list[str]) -> str:
    return ", ".join(names[:NAMED]) + (", ..." if len(names) > NAMED else "")


def _imageless(file: Path, first: str) -> BadRequest:
    return BadRequest(
        f"None of the images named in {file.name} is in {IMAGES}/ or beside it. Put the images there. {first}".rstrip()
    )
