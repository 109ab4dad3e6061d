"""`paploop backup`: everything that cannot be computed again, in one file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ml_backend.cli._answer import AsJson, print_json, progress_bar, say
from ml_backend.cli._open import opened


def register(app: typer.Typer) -> None:
    """Add the command."""

    @app.command(epilog="Example: paploop backup paploop-monday.tar.gz")
    def backup(
        target: Annotated[Path, typer.Argument(help="The file to write (.tar.gz).")],
        as_json: AsJson = False,
    ) -> None:
        """Write database, embeddings and active models into one file; safe while everything runs."""
        from ml_backend.backup import backup as write_backup

        with opened() as services, progress_bar("backup") as progress:
            write_backup(services.settings, services.store, target, progress=progress)
        size = target.stat().st_size
        print_json({"file": target, "bytes": size}) if as_json else say(f"Wrote {target} ({size / 2**20:.1f} MiB).")
