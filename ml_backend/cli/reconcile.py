"""`paploop reconcile`: find changes whose webhooks were lost."""

from __future__ import annotations

from typing import Annotated

import typer

from ml_backend.cli._answer import print_facts, print_json
from ml_backend.cli._open import chosen_project, opened
from ml_backend.cli._options import AsJson, ProjectId


def register(app: typer.Typer) -> None:
    """Add the command."""

    @app.command(epilog="Example: paploop reconcile 7 --json")
    def reconcile(
        project: ProjectId = None,
        full: Annotated[bool, typer.Option("--full", help="Read all tasks again, not only changed ones.")] = False,
        as_json: AsJson = False,
    ) -> None:
        """Compare with Label Studio and fetch labels, tasks and deletions whose webhooks were lost."""
        from ml_backend.loop.reconcile import reconcile as find_lost

        with opened() as services:
            report = find_lost(services, chosen_project(services, project), full=full).as_dict()
        print_json(report) if as_json else print_facts(report, title="Reconciled")
