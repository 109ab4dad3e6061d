"""`paploop rollback`: back to an earlier model."""

from __future__ import annotations

from typing import Annotated

import typer

from ml_backend.cli._answer import say
from ml_backend.cli._open import opened
from ml_backend.cli._options import AsJson
from ml_backend.cli._runs import Wait, answer_run, followed


def register(app: typer.Typer) -> None:
    """Add the command."""

    @app.command(epilog="Example: paploop rollback 12")
    def rollback(
        run: Annotated[int, typer.Argument(help="The promoted run whose model to activate; see `paploop runs`.")],
        wait: Wait = False,
        as_json: AsJson = False,
    ) -> None:
        """Make the model of an earlier run the active one and publish its order and pre-annotations."""
        from ml_backend.runs import rollback as roll_back

        with opened() as services:
            project = services.store.runs.one(run).project_id
            started = roll_back(services.store, services.files, project, run, now=services.clock())
            if not as_json:
                say(f"Opened run {started.id}: {started.reason}")
            answer_run(followed(services.store, started, wait), as_json)
