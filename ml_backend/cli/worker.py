"""`paploop worker`: applies events, opens due runs, walks them."""

from __future__ import annotations

import typer

from ml_backend.cli._open import opened


def register(app: typer.Typer) -> None:
    """Add the command."""

    @app.command(epilog="Example: paploop worker")
    def worker() -> None:
        """Run the background worker until it is told to stop."""
        import logging

        from ml_backend.pulse import work

        with opened() as services, services.files.lock("service", shared=True):
            logging.getLogger().setLevel(services.settings.log_level)
            work(services)
