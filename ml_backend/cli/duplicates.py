"""`paploop duplicates`: images of a folder that show the same specimen, verified on the pixels."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ml_backend.cli._answer import print_json, print_table, say
from ml_backend.cli._open import heed_settings
from ml_backend.cli._options import AsJson

if TYPE_CHECKING:
    from ml_backend.duplicates.report import Report


def register(app: typer.Typer) -> None:
    """Add the command."""

    @app.command(epilog="Example: paploop duplicates images --html duplicates.html")
    def duplicates(
        folder: Annotated[
            Path, typer.Argument(help="Folder of images; with class folders, label conflicts are reported.")
        ],
        html: Annotated[Path | None, typer.Option(help="Write a contact sheet to this file.")] = None,
        overlap: Annotated[
            float, typer.Option(min=0.05, max=1, help="Fraction of the smaller image that both must show.")
        ] = 0.5,
        share: Annotated[
            float, typer.Option(min=0.3, max=1, help="Fraction of the shared textured pixels that must agree.")
        ] = 0.7,
        partners: Annotated[
            int, typer.Option(min=1, max=100, help="Candidates compared with each image; more takes longer.")
        ] = 6,
        join: Annotated[
            bool, typer.Option("--join", help="Merge groups of exact copies that show the same specimen.")
        ] = False,
        exact: Annotated[
            bool, typer.Option("--exact", help="Find only copies with identical bytes or pixels.")
        ] = False,
        threads: Annotated[int, typer.Option(min=1, max=64, help="Number of images read in parallel.")] = 2,
        as_json: AsJson = False,
    ) -> None:
        """Find copies: re-encoded, resized, rotated, mirrored, cropped, stained differently, overlapping."""
        from ml_backend.duplicates.search import Plan, find_duplicates
        from ml_backend.operations.screen import stages

        heed_settings()
        from strategies.near_duplicates.verification.pairs import Rules

        plan = Plan(Rules(share=share, overlap=overlap), partners, threads, join, exact)
        with stages() as stage:
            report = find_duplicates(folder, plan, stage)
            if html is not None:
                from ml_backend.duplicates.contact_sheet import write_contact_sheet

                write_contact_sheet(report, folder, html, stage("Contact sheet"))
        if as_json:
            print_json(report.as_dict())
        else:
            _print(report)
            if html is not None:
                say(f"Wrote {html}.")


def _print(report: Report) -> None:
    rows = [
        (number, group.representative, member.path, member.relation, f"{member.similarity:.3f}")
        for number, group in enumerate(report.groups, 1)
        for member in group.members
    ]
    if rows:
        print_table(("group", "representative", "member", "relation", "similarity"), rows)
    for conflict in report.conflicts:
        pairs = ", ".join(
            f"{path} ({label or 'no folder'})" for path, label in zip(conflict.paths, conflict.labels, strict=True)
        )
        say(f"Different labels: {pairs}", style="yellow")
    for kin in report.kin:
        say(f"Groups that show the same specimen: {kin.first} and {kin.second} ({kin.relation}); --join merges them.")
    for path, reason in report.unreadable.items():
        say(f"Cannot read {path}: {reason}", style="red")
    found = sum(len(group.members) for group in report.groups)
    counts = f"{len(report.groups)} groups with {found} duplicates, {len(report.conflicts)} conflicts"
    say(f"{report.images} images, {counts}.")
