"""`paploop connect`: make a Label Studio project use this backend."""

from __future__ import annotations

from dataclasses import asdict

import typer

from ml_backend.cli._answer import print_facts, print_json
from ml_backend.cli._open import opened
from ml_backend.cli._options import AsJson, Project


def register(app: typer.Typer) -> None:
    """Add the command."""

    @app.command(epilog="Example: PAPLOOP_LABEL_STUDIO_TOKEN=... paploop connect 7")
    def connect(
        project: Project,
        as_json: AsJson = False,
    ) -> None:
        """Add this backend and its webhook to a project of a running Label Studio; safe to repeat."""
        from ml_backend.intake.projects import attach

        with opened() as services:
            row, connection = attach(
                services.store, services.label_studio, services.settings, project, services.clock()
            )
            url = services.settings.label_studio_url
        facts = {"project": row.id, "title": row.title, "label_studio": url, **asdict(connection)}
        print_json(facts) if as_json else print_facts(facts, title="Connected")
