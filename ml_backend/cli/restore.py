"""`paploop restore`: the state of a backup."""

from __future__ import annotations

import time
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from ml_backend.cli._answer import print_facts, print_json, progress_bar, say
from ml_backend.cli._options import AsJson


def register(app: typer.Typer) -> None:
    """Add the command."""

    @app.command(epilog="Example: PAPLOOP_DATA_DIR=/srv/paploop paploop restore paploop-monday.tar.gz")
    def restore(
        source: Annotated[Path, typer.Argument(help="A backup file written by `paploop backup`.")],
        force: Annotated[
            bool, typer.Option("--force", help="Replace the existing state; it is moved aside, not deleted.")
        ] = False,
        as_json: AsJson = False,
    ) -> None:
        """Restore a backup into the data directory; PapLoop must not be running there."""
        from ml_backend.intake.moved_files import missing_files
        from ml_backend.operations.backup import restore as read_backup
        from ml_backend.settings import load_settings
        from ml_backend.state.store import Store

        settings = load_settings()
        with progress_bar("Restore") as progress:
            report = read_backup(settings, source, now=time.time(), force=force, progress=progress)
        store = Store.open(settings.resolved_database_url)
        try:
            missing = missing_files(store)
        finally:
            store.close()
        if as_json:
            print_json({**asdict(report), "missing": missing})
            return
        print_facts(asdict(report), title="Restored")
        for sentence in missing:
            say(sentence, style="yellow")
