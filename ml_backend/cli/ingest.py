"""`paploop ingest`: a folder of images into a project."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ml_backend.cli._answer import AsJson, print_facts, print_json
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
        from ml_backend.screen import stages
        from ml_backend.seed import seed_labels as submit_labels

        with opened() as services, stages() as stage:
            project_id = chosen_project(services, project)
            report = take_in(services, project_id, folder, stage=stage).as_dict()
            if seed_labels:
                done = submit_labels(services, project_id, seed_labels, progress=stage("Submitting first labels"))
                report["labels_submitted"] = done
        print_json(report) if as_json else print_facts(report, title=f"Ingested into project {project_id}")
