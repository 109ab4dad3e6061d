"""`paploop import-labels`: labels that exist already into a project."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from ml_backend.cli._answer import AsJson, print_facts, print_json, say
from ml_backend.cli._open import chosen_project, opened


class Kind(StrEnum):
    """What the labels become."""

    annotations = "annotations"
    predictions = "predictions"


class Form(StrEnum):
    """Known forms of labels."""

    auto = "auto"
    coco = "coco"
    yolo = "yolo"
    voc = "voc"
    folder = "folder"
    csv = "csv"


def register(app: typer.Typer) -> None:
    """Add the command."""

    @app.command("import-labels", epilog="Example: paploop import-labels 7 ./coco --as predictions --dry-run")
    def import_labels(
        project: Annotated[int, typer.Argument(help="Label Studio's project id.")],
        source: Annotated[
            Path, typer.Argument(help="COCO, YOLO, VOC or class folder, COCO file, or CSV of file name and label.")
        ],
        kind: Annotated[Kind, typer.Option("--as", help="What the labels become.")] = Kind.annotations,
        form: Annotated[Form, typer.Option("--format", help="Form of the labels; auto looks.")] = Form.auto,
        dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would be added.")] = False,
        as_json: AsJson = False,
    ) -> None:
        """Give existing labels to the images of a project that nobody labeled; safe to break off and to repeat."""
        from ml_backend.labels_import.importing import import_labels as put_in
        from ml_backend.screen import stages

        with opened() as services, stages() as stage:
            project_id = chosen_project(services, project)
            report = put_in(
                services, project_id, source, kind=kind.value, form=form.value, dry_run=dry_run, stage=stage
            )
        if as_json:
            print_json(report.as_dict())
            return
        lists = ("unmatched", "problems")
        facts = {name.replace("_", " "): value for name, value in report.as_dict().items() if name not in lists}
        print_facts(
            facts, title=f"{'Would import' if dry_run else 'Imported'} into project {project_id} as {kind.value}"
        )
        for sentence in [*report.problems, *report.unmatched]:
            say(sentence, style="yellow")
        more = report.unmatched_count - len(report.unmatched)
        if more:
            say(f"{more} more are no images of the project.", style="yellow")
