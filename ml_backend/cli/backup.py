"""`paploop backup`: everything that cannot be recomputed, in one file."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from ml_backend.cli._answer import print_facts, print_json, progress_bar
from ml_backend.cli._open import opened
from ml_backend.cli._options import AsJson


def register(app: typer.Typer) -> None:
    """Add the command."""

    @app.command(epilog="Example: paploop backup paploop-monday.tar.gz")
    def backup(
        target: Annotated[Path, typer.Argument(help="The file to write (.tar.gz); it contains secret keys.")],
        force: Annotated[bool, typer.Option("--force", help="Replace an existing file.")] = False,
        all_runs: Annotated[
            bool, typer.Option("--all-runs", help="Include all runs, not only the active models.")
        ] = False,
        as_json: AsJson = False,
    ) -> None:
        """Write database, embeddings and active models to one file; safe while PapLoop is running."""
        from ml_backend.operations.backup import backup as write_backup

        with opened() as services, progress_bar("Backup") as progress:
            report = write_backup(
                services.settings,
                services.store,
                target,
                now=services.clock(),
                force=force,
                all_runs=all_runs,
                progress=progress,
            )
        print_json(asdict(report)) if as_json else print_facts(asdict(report), title="Backup")
