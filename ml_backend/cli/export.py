"""`paploop export`: the confirmed labels as a file."""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ml_backend.cli._answer import AsJson, print_json, say
from ml_backend.cli._open import chosen_project, opened
from ml_backend.errors import BadRequest

if TYPE_CHECKING:
    from ml_backend.services import Services

COLUMNS = ("task", "image", "label", "left_out", "split", "source_group", "duplicate_group", "width", "height", "state")


def rows_of(services: Services, project_id: int) -> list[dict[str, Any]]:
    """One row an image: its confirmed label, or why there is none."""
    from ml_backend.items import display_name
    from ml_backend.label_config import parse_label_config
    from ml_backend.labels import consensus

    store = services.store
    job = parse_label_config(store.project(project_id).label_config)
    confirmed = consensus(store.annotations(project_id), job)
    rows = []
    for item in store.items(project_id):
        values = (
            item.task_id,
            display_name(item),
            confirmed.labels.get(item.task_id or -1),
            confirmed.left_out.get(item.task_id or -1) or item.reason,
            item.split,
            item.source_group,
            item.group_id,
            item.width,
            item.height,
            item.state,
        )
        rows.append(dict(zip(COLUMNS, values, strict=True)))
    return rows


def write_rows(rows: Sequence[Mapping[str, Any]], target: Path) -> None:
    """Write rows as CSV, JSON or JSON lines, by the ending of the name.

    Raises:
        BadRequest: the ending is another one.
    """
    from ml_backend.state.files import write_atomic

    match target.suffix.lower():
        case ".csv":
            import io

            text = io.StringIO(newline="")
            writer = csv.DictWriter(text, COLUMNS)
            writer.writeheader()
            writer.writerows(rows)
            write_atomic(target, text.getvalue())
        case ".json":
            write_atomic(target, json.dumps(list(rows), indent=1) + "\n")
        case ".jsonl":
            write_atomic(target, "".join(json.dumps(row) + "\n" for row in rows))
        case ending:
            raise BadRequest(f"The ending '{ending}' is unknown; name the file .csv, .json or .jsonl.")


def register(app: typer.Typer) -> None:
    """Add the command."""

    @app.command(epilog="Example: paploop export labels.csv --project 7")
    def export(
        target: Annotated[Path, typer.Argument(help="File to write: .csv, .json or .jsonl.")],
        project: Annotated[int | None, typer.Option(help="Label Studio's project id.")] = None,
        as_json: AsJson = False,
    ) -> None:
        """Write every image with its confirmed label, split and groups."""
        with opened() as services:
            rows = rows_of(services, chosen_project(services, project))
        write_rows(rows, target)
        labelled = sum(row["label"] is not None for row in rows)
        facts = {"file": target, "images": len(rows), "labelled": labelled}
        print_json(facts) if as_json else say(f"Wrote {len(rows)} images, {labelled} of them labeled, to {target}.")
