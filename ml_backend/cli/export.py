"""`paploop export`: the confirmed labels as a file."""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ml_backend.cli._answer import print_json, say
from ml_backend.cli._open import chosen_project, opened
from ml_backend.cli._options import AsJson, OneProject
from ml_backend.errors import BadRequest

if TYPE_CHECKING:
    from ml_backend.label_studio.config import LabelingJob
    from ml_backend.services import Services
    from ml_backend.state.rows.annotations import AnnotationRows
    from ml_backend.state.store import Store


@dataclass(frozen=True)
class Row:
    """One image of the export; its fields are the columns.

    Attributes:
        task: Label Studio's task, None until the image has one.
        image: its name.
        label: the confirmed class, or the objects in words; None where none is confirmed.
        left_out: why.
        split: side on which it lies.
        source_group: its patient, slide or source image.
        duplicate_group: its near-duplicates.
        width: px.
        height: px.
        state: of the image.
    """

    task: int | None
    image: str
    label: str | None
    left_out: str
    split: str
    source_group: str
    duplicate_group: int | None
    width: int
    height: int
    state: str


@dataclass(frozen=True)
class Written:
    """What was written to a file: images, labeled images, and for COCO files the objects and problems."""

    file: Path
    images: int
    labelled: int
    objects: int | None = None
    problems: Sequence[str] = ()

    def as_dict(self) -> dict[str, object]:
        """JSON form."""
        counts = {"file": self.file, "images": self.images, "labelled": self.labelled}
        return counts if self.objects is None else {**counts, "objects": self.objects, "problems": list(self.problems)}


class Outlines(StrEnum):
    """Forms of outlines in a COCO file."""

    auto = "auto"
    polygons = "polygons"
    runs = "runs"


def rows_of(store: Store, project_id: int) -> list[Row]:
    """One row per image: its confirmed label, or why it has no label."""
    from ml_backend.images.items import display_name
    from ml_backend.label_studio.config import parse_label_config
    from ml_backend.labels.classes import consensus

    job = parse_label_config(store.projects.one(project_id).label_config)
    labels, left_out = _objects(store.labels, project_id, job) if job.finds_objects else (None, {})
    if labels is None:
        confirmed = consensus(store.labels.all(project_id), job)
        labels, left_out = confirmed.labels, confirmed.left_out
    return [
        Row(
            task=item.task_id,
            image=display_name(item),
            label=labels.get(item.task_id or -1),
            left_out=left_out.get(item.task_id or -1) or item.reason,
            split=item.split,
            source_group=item.source_group,
            duplicate_group=item.group_id,
            width=item.width,
            height=item.height,
            state=item.state,
        )
        for item in store.items.all(project_id)
    ]


def _objects(labels: AnnotationRows, project_id: int, job: LabelingJob) -> tuple[Mapping[int, str], Mapping[int, str]]:
    """Task -> its objects in words, and task -> why it has none confirmed."""
    from ml_backend.labels.objects import confirm, count_objects

    confirmed = confirm(labels.all(project_id), job)
    counted = {task: count_objects([results], job) for task, results in confirmed.results.items()}
    said = {
        task: ", ".join(f"{name} {count}" for name, count in counts.items() if count) or "no object"
        for task, counts in counted.items()
    }
    return said, confirmed.left_out


def write_rows(rows: Sequence[Row], target: Path) -> None:
    """Write rows as CSV, JSON or JSON lines, by the ending of the name.

    Raises:
        BadRequest: the ending is another one.
    """
    from ml_backend.state.files import write_atomic

    entries = [asdict(row) for row in rows]
    match target.suffix.lower():
        case ".csv":
            import io

            text = io.StringIO(newline="")
            writer = csv.DictWriter(text, [column.name for column in fields(Row)])
            writer.writeheader()
            writer.writerows(entries)
            write_atomic(target, text.getvalue())
        case ".json":
            write_atomic(target, json.dumps(entries, indent=1) + "\n")
        case ".jsonl":
            write_atomic(target, "".join(json.dumps(entry) + "\n" for entry in entries))
        case ending:
            raise BadRequest(f"The file name ends in '{ending}'. Use .csv, .json or .jsonl.")


def register(app: typer.Typer) -> None:
    """Add the command."""

    @app.command(epilog="Example: paploop export labels.csv --project 7")
    def export(
        target: Annotated[Path, typer.Argument(help="File to write: .csv, .json or .jsonl.")],
        project: OneProject = None,
        outlines: Annotated[
            Outlines, typer.Option(help="Outlines in a COCO file: as drawn, or all converted to one form.")
        ] = Outlines.auto,
        as_json: AsJson = False,
    ) -> None:
        """Write every image with its confirmed label, split and groups; for projects with drawn objects, .json is
        COCO."""
        from ml_backend.label_studio.config import parse_label_config

        with opened() as services:
            project_id = chosen_project(services, project)
            job = parse_label_config(services.store.projects.one(project_id).label_config)
            if job.finds_objects and target.suffix.lower() == ".json":
                written = _write_coco(services, project_id, job, outlines, target)
            else:
                rows = rows_of(services.store, project_id)
                write_rows(rows, target)
                written = Written(target, len(rows), sum(row.label is not None for row in rows))
        if as_json:
            print_json(written.as_dict())
            return
        say(f"Wrote {written.images} images, {written.labelled} of them labeled, to {target}.")
        for sentence in written.problems:
            say(sentence, style="yellow")


def _write_coco(services: Services, project_id: int, job: LabelingJob, outlines: Outlines, target: Path) -> Written:
    from ml_backend.labels.coco_export import coco_of
    from ml_backend.state.files import write_atomic

    content = coco_of(services.store, services.images, project_id, job, outlines.value, now=services.clock())
    write_atomic(target, json.dumps(content.as_dict(), allow_nan=False) + "\n")
    objects = sum(not entry["iscrowd"] for entry in content.annotations)
    images, left_out = len(content.images), len(content.left_out)
    return Written(target, images + left_out, images, objects, content.problems)
