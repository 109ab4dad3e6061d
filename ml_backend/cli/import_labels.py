"""`paploop import-labels`: existing labels into a project."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ml_backend.cli._answer import print_facts, print_json, say
from ml_backend.cli._open import chosen_project, opened
from ml_backend.cli._options import AllowLeftOut, AsJson, Project

if TYPE_CHECKING:
    from ml_backend.intake.label_files.importing import ImportReport

SHOWN = 60
"""Sentences that are shown to people."""


class Kind(StrEnum):
    """What to import the labels as."""

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
    label_studio = "label-studio"


def register(app: typer.Typer) -> None:
    """Add the command."""

    @app.command("import-labels", epilog="Example: paploop import-labels 7 ./coco --as predictions --dry-run")
    def import_labels(
        project: Project,
        source: Annotated[
            Path, typer.Argument(help="COCO, YOLO, VOC or class folder, COCO file, or CSV of file name and label.")
        ],
        kind: Annotated[Kind, typer.Option("--as", help="What to import the labels as.")] = Kind.annotations,
        form: Annotated[Form, typer.Option("--format", help="Format of the labels; auto detects it.")] = Form.auto,
        dry_run: Annotated[bool, typer.Option("--dry-run", help="Only report what would be imported.")] = False,
        allow_left_out: AllowLeftOut = False,
        replace_imported: Annotated[
            bool,
            typer.Option(
                "--replace-imported",
                help="Also correct annotations that an earlier import created and nobody has edited since.",
            ),
        ] = False,
        as_json: AsJson = False,
    ) -> None:
        """Import existing labels for unlabeled images of a project; safe to interrupt and to repeat.

        Ends with status 3 where labels were left out, in part or as a whole; --dry-run shows which before.
        """
        from ml_backend.cli import INCOMPLETE
        from ml_backend.intake.label_files.importing import import_labels as put_in
        from ml_backend.loop.arrivals import ask_for_order
        from ml_backend.operations.screen import stages

        with opened() as services, stages() as stage:
            project_id = chosen_project(services, project)
            report = put_in(
                services,
                project_id,
                source,
                kind=kind.value,
                form=form.value,
                dry_run=dry_run,
                allow_left_out=allow_left_out,
                replace_imported=replace_imported,
                stage=stage,
            )
            following = ""
            if report.added and not dry_run:
                following = ask_for_order(services, project_id, f"{report.added} {kind.value} were imported.")[1]
        if as_json:
            print_json(report.as_dict())
        else:
            _show(report, f"{'Would import' if dry_run else 'Imported'} into project {project_id} as {kind.value}")
            if following:
                say(following)
        if not report.complete:
            raise typer.Exit(INCOMPLETE)


def _show(report: ImportReport, title: str) -> None:
    """The report for people."""
    lists = ("unmatched", "problems", "left_out", "complete")
    facts = {name.replace("_", " "): value for name, value in report.as_dict().items() if name not in lists}
    for what, reasons in report.left_out.items():
        facts |= {f"{what} left out: {reason}": count for reason, count in reasons.items()}
    print_facts(facts, title=title)
    sentences = [*report.problems, *report.unmatched]
    for sentence in sentences[:SHOWN]:
        say(sentence, style="yellow")
    if len(sentences) > SHOWN:
        say(f"{len(sentences) - SHOWN} more messages are in the --json output.", style="yellow")
    more = report.unmatched_count - len(report.unmatched)
    if more:
        say(f"{more} more are not images of this project.", style="yellow")
