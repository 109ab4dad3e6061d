"""`paploop worker`: applies events, opens due runs, walks them."""

from __future__ import annotations

from typing import Annotated

import typer

from ml_backend.cli._open import opened


def register(app: typer.Typer) -> None:
    """Add the command."""

    @app.command(epilog="Example: paploop worker")
    def worker(
        lane: Annotated[
            str,
            typer.Option("--lane", help="short: everything but training; long: only training; all: both in parallel."),
        ] = "all",
        beside: Annotated[int, typer.Option("--beside", hidden=True)] = 0,
    ) -> None:
        """Run the background worker until it is stopped; short jobs do not wait for training."""
        import logging

        from ml_backend.errors import BadRequest
        from ml_backend.operations.worker import Lane, work

        if lane not in list(Lane):
            raise BadRequest(f"There is no lane {lane!r:.40}. Use one of {', '.join(Lane)}.")
        with opened() as services, services.files.lock("service", shared=True):
            logging.getLogger().setLevel(services.settings.log_level)
            work(services, lane=Lane(lane), beside=beside)
