"""`paploop rank`: a new order now."""

from __future__ import annotations

import typer

from ml_backend.cli._answer import AsJson
from ml_backend.cli._open import ProjectId, chosen_project, opened
from ml_backend.cli._runs import Wait, answer_run, followed


def register(app: typer.Typer) -> None:
    """Add the command."""

    @app.command(epilog="Example: paploop rank 7 --wait")
    def rank(project: ProjectId = None, wait: Wait = False, as_json: AsJson = False) -> None:
        """Rank the unlabeled images again with the present model and strategy, and push the order."""
        from ml_backend.runs import request_run

        with opened() as services:
            project_id = chosen_project(services, project)
            run = request_run(services, project_id, kind="rank", reason="Asked for on the command line.")
            answer_run(followed(services, run, wait), as_json)
