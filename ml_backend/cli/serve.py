"""`paploop serve`: the web process alone."""

from __future__ import annotations

import typer


def register(app: typer.Typer) -> None:
    """Add the command."""

    @app.command(epilog="Example: PAPLOOP_HOST=0.0.0.0 PAPLOOP_PORT=9090 paploop serve")
    def serve() -> None:
        """Serve Label Studio's ML protocol, the JSON API, the dashboard and the images."""
        from ml_backend.operations.launch.programs import web
        from ml_backend.settings import load_settings

        settings = load_settings()
        web(settings).become()
