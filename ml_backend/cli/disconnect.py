"""`paploop disconnect`: disconnect a Label Studio project."""

from __future__ import annotations

from dataclasses import asdict

import typer

from ml_backend.cli._answer import print_facts, print_json
from ml_backend.cli._open import opened
from ml_backend.cli._options import AsJson, Project


def register(app: typer.Typer) -> None:
    """Add the command."""

    @app.command(epilog="Example: paploop disconnect 7")
    def disconnect(
        project: Project,
        as_json: AsJson = False,
    ) -> None:
        """Remove this backend and its webhook from a project and stop polling it; labels, models and history are kept.

        `paploop connect` takes the project up again.
        """
        from ml_backend.intake.projects import detach

        with opened() as services:
            facts = asdict(detach(services.store, services.label_studio, services.settings, project, services.clock))
        print_json(facts) if as_json else print_facts(facts, title="Disconnected")
