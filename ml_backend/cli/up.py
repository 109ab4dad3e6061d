"""`paploop up`: everything on this machine, as `make run` starts it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ml_backend.cli._options import GroupPattern, SeedLabels


def register(app: typer.Typer) -> None:
    """Add the command."""

    @app.command(epilog="Example: paploop up --images ./fields --config boxes --classes cell,debris")
    def up(
        images: Annotated[Path | None, typer.Option(help="Folder of images; default = a generated demo.")] = None,
        seed_labels: SeedLabels = 0,
        config: Annotated[
            str,
            typer.Option(help="What a new project labels: classes of images, or boxes or polygons around objects."),
        ] = "classes",
        classes: Annotated[
            str, typer.Option(help="Class names, separated by commas; default = names of subfolders, or 'cell'.")
        ] = "",
        label_studio_port: Annotated[
            int | None,
            typer.Option(min=1, max=65535, help="Port of Label Studio; default = the last one used, or 8080."),
        ] = None,
        group_pattern: GroupPattern = "",
    ) -> None:
        """Start Redis, Label Studio, the web process and a worker; create the project; stop all on Ctrl-C."""
        from ml_backend.intake.projects import Interface
        from ml_backend.operations.launch.up import run_until_interrupted

        run_until_interrupted(images, seed_labels, label_studio_port, Interface.parse(config, classes), group_pattern)
