"""`paploop train`: a training run now."""

from __future__ import annotations

import typer

from ml_backend.cli._open import chosen_project, opened
from ml_backend.cli._options import AsJson, ProjectId
from ml_backend.cli._runs import Wait, answer_run, followed


def register(app: typer.Typer) -> None:
    """Add the command."""

    @app.command(epilog="Example: paploop train 7 --wait")
    def train(project: ProjectId = None, wait: Wait = False, as_json: AsJson = False) -> None:
        """Train on all confirmed labels, judge the model, publish a new order if it is promoted."""
        from ml_backend.runs import request_run

        with opened() as services:
            project_id = chosen_project(services, project)
            run = request_run(
                services.store, project_id, kind="train", reason="Requested on the command line.", now=services.clock()
            )
            answer_run(followed(services.store, run, wait), as_json)
