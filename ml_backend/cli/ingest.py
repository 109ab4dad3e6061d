"""`paploop ingest`: a folder of images into a project."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from ml_backend.cli._answer import AsJson, print_facts, print_json, progress_bar
from ml_backend.cli._open import chosen_project, opened


def register(app: typer.Typer) -> None:
    """Add the command."""

    @app.command(epilog="Example: paploop ingest ./cells --project 7 --seed-labels 50")
    def ingest(
        folder: Annotated[Path, typer.Argument(help="Folder of images, searched with all sub-folders.")],
        project: Annotated[int | None, typer.Option(help="Label Studio's project id.")] = None,
        seed_labels: Annotated[
            int, typer.Option(min=0, help="How many images of class sub-folders start out labeled.")
        ] = 0,
        as_json: AsJson = False,
    ) -> None:
        """Embed new images, find near-duplicates, import one task per image; safe to repeat."""
        from ml_backend.ingest import ingest as take_in

        with opened() as services, progress_bar("ingest") as progress:
            project_id = chosen_project(services, project)
            report = asdict(take_in(services, project_id, folder, seed_labels=seed_labels, progress=progress))
        print_json(report) if as_json else print_facts(report, title=f"Ingested into project {project_id}")
