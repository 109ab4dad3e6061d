"""The command line with this one command."""

from __future__ import annotations

import typer

from ml_backend.cli import replay as command


def application() -> typer.Typer:
    """`paploop replay` alone, called without its name."""
    app = typer.Typer()
    command.register(app)
    return app
