"""Tables of image names and classes (CSV, TSV): Label Studio's, PapLoop's own, and those that people write.

A first row that holds no image is a header. The column of the label is then one of `LABEL_COLUMNS`, the one called like
the control of the labeling config, or the only one that is left beside the image and what Label Studio adds; a header
that says no more than that is refused, never guessed by place.
"""

from __future__ import annotations

import csv
import io
import sys
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Final

from ml_backend.errors import BadRequest
from ml_backend.label_studio.exports import class_in
from training.data.class_folders import normal
from training.data.detection_set import LeftOut
from training.data.images import IMAGE_SUFFIXES
from training.data.names import decoded
from training.data.values import read_text

IMAGE_COLUMNS: Final = ("file", "filename", "file_name", "image", "path", "name")
LABEL_COLUMNS: Final = ("label", "class", "category")
BOOKKEEPING: Final = frozenset(
    {
        *("id", "task", "task_id", "inner_id", "annotation_id", "annotator", "completed_by", "project"),
        *("created_at", "updated_at", "lead_time", "agreement", "file_upload", "meta"),
    }
)
"""Columns that Label Studio adds to every table."""

DELIMITERS: Final = (",", "\t", ";")
LOOKED_AT: Final = 200
"""Rows from which the delimiter and the columns are found out."""


@dataclass(frozen=True)
class Words:
    """What cells may mean in a project.

    Attributes:
        classes: class names; empty where every word may be one.
        controls: names of the columns that hold the label, as the labeling config calls its control.
        images: names of the columns that hold the image, as the labeling config calls its data.
        is_image: whether a cell names an image of the project.
        objects: whether objects are wanted rather than classes of whole images; None: whatever there is.
    """

    classes: Collection[str] = ()
    controls: Collection[str] = ()
    images: Collection[str] = ()
    is_image: Callable[[str], bool] = lambda _: False
    objects: bool | None = None


ANY_WORDS: Final = Words()


@dataclass(frozen=True)
class Line:
    """One labeled image: its line of the file, its name and its class."""

    number: int
    name: str
    label: str


def lines_of(
    title: str, rows: Sequence[tuple[int, Sequence[str]]], words: Words = ANY_WORDS
) -> tuple[list[Line], list[str], LeftOut]:
    """The labeled images of a table, one sentence for each kind of line that says nothing, and how many these are.

    Args:
        title: name of the table, for messages.
        rows: its rows as `table_rows` reads them, each with its number.
        words: what its cells may mean.

    Raises:
        BadRequest: the rows do not say which column is which.
    """
    image, label, first = _columns(title, [row for _, row in rows], words)
    lines: list[Line] = []
    short, bare, unclear = [], 0, []
    for number, row in rows[first:]:
        name = row[image].strip() if len(row) > max(image, label) else ""
        if not name:
            short.append(number)
            continue
        said = class_in(row[label].strip())
        if said is None:
            unclear.append(number)
        elif said:
            lines.append(Line(number, name, said))
        else:
            bare += 1
    problems = []
    if short:
        problems.append(f"{_listed(short)} of {title} names no file or has no label; it was left out.")
    if unclear:
        problems.append(f"{_listed(unclear)} of {title} does not name exactly one class; it was left out.")
    if bare:
        problems.append(f"{bare} lines of {title} have no label; their images stay unchanged.")
    counts = {"a line names no file or no class": len(short), "a line does not name exactly one class": len(unclear)}
    left_out = {reason: count for reason, count in counts.items() if count}
    return lines, problems, LeftOut(len(lines) + sum(left_out.values()), left_out)


def _listed(numbers: Sequence[int]) -> str:
    more = f" and {len(numbers) - 5} more" if len(numbers) > 5 else ""
    return f"Line {', '.join(map(str, numbers[:5]))}{more}"


def table_rows(file: Path) -> list[tuple[int, list[str]]]:
    """Rows that are not blank, with the number of the line on which each ends."""
    text = read_text(file)
    # A cell may hold a thumbnail; the file is in memory already.
    csv.field_size_limit(sys.maxsize)
    delimiter = "\t" if file.suffix.lower() == ".tsv" else _delimiter(text)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
    try:
        return [(reader.line_num, row) for row in reader if any(cell.strip() for cell in row)]
    except csv.Error as error:
        raise BadRequest(
            f"Line {reader.line_num} of the table {file.name} cannot be read. Save it as CSV again.",
            code="labels.unreadable",
        ) from error


def _delimiter(text: str) -> str:
    """The one by which most rows have as many cells as the first, more than one; the comma where none does."""

    def fit(delimiter: str) -> tuple[int, int]:
        reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
        try:
            widths = [len(row) for row, _ in zip((row for row in reader if row), range(LOOKED_AT), strict=False)]
        except csv.Error:
            return 0, 0
        first = widths[0] if widths else 0
        return (sum(width == first for width in widths), first) if first > 1 else (0, 0)

    return max(DELIMITERS, key=fit)


def _columns(title: str, rows: Sequence[Sequence[str]], words: Words) -> tuple[int, int, int]:
    """Column of the file, column of the label, first row with values."""
    if not rows:
        return 0, 1, 0
    header = [cell.strip().lower() for cell in rows[0]]
    image = _named(header, (*words.images, *IMAGE_COLUMNS))
    label = _named(header, (*words.controls, *LABEL_COLUMNS))
    if image is not None and label is not None and image != label:
        return image, label, 1
    values = rows[1:LOOKED_AT]
    if any(_names_an_image(cell, words) for cell in rows[0]):
        return *_by_content(rows[:LOOKED_AT], words), 0
    left = [place for place, name in enumerate(header) if name and name not in BOOKKEEPING]
    if image is None:
        image = _only(
            [place for place in left if _share(values, place, lambda cell: _names_an_image(cell, words)) > 0.5]
        )
    if label is None:
        others = [place for place in left if place != image]
        # A task may carry further names of its image, as those of PapLoop do.
        left = [place for place in others if header[place] not in IMAGE_COLUMNS] or others
        fitting = [place for place in left if _share(values, place, lambda cell: _is_class(cell, words)) > 0.5]
        label = _only(fitting if words.classes else left)
    if image is None or label is None:
        what = "image" if image is None else "label"
        raise BadRequest(
            f"{title} has the columns {', '.join(cell.strip() for cell in rows[0])}, and none of them is "
            f"clearly the {what}. Name the columns image and label.",
            code="labels.unclear_columns",
        )
    return image, label, 1


def _by_content(rows: Sequence[Sequence[str]], words: Words) -> tuple[int, int]:
    """Columns of a table without a header: the first two, unless their content says otherwise."""
    places = range(max(map(len, rows)))
    images = [place for place in places if _share(rows, place, lambda cell: _names_an_image(cell, words)) > 0.5]
    image = images[0] if images else 0
    classes = [p for p in places if p != image and _share(rows, p, lambda cell: _is_class(cell, words)) > 0.5]
    return image, classes[0] if classes and words.classes else next((p for p in places if p != image), image + 1)


def _named(header: Sequence[str], names: Sequence[str]) -> int | None:
    return next((header.index(name.lower()) for name in names if name.lower() in header), None)


def _only(places: Sequence[int]) -> int | None:
    return places[0] if len(places) == 1 else None


def _share(rows: Sequence[Sequence[str]], place: int, fits: Callable[[str], bool]) -> float:
    """Share of the filled cells of a column that fit."""
    cells = [row[place].strip() for row in rows if len(row) > place and row[place].strip()]
    return sum(map(fits, cells)) / len(cells) if cells else 0.0


def _names_an_image(cell: str, words: Words) -> bool:
    text = cell.strip()
    ending = PurePosixPath(decoded(text)).suffix.lower()
    return bool(text) and (ending in IMAGE_SUFFIXES or words.is_image(text))


def _is_class(cell: str, words: Words) -> bool:
    return normal(class_in(cell) or "") in {normal(name) for name in words.classes}
