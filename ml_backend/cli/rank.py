"""`paploop rank`: a new order now, or the first images of the current one."""

from __future__ import annotations

from typing import Annotated

import typer

from ml_backend.cli._answer import print_json, print_table
from ml_backend.cli._open import chosen_project, opened
from ml_backend.cli._options import AsJson, ProjectId
from ml_backend.cli._runs import Wait, answer_run, followed


def register(app: typer.Typer) -> None:
    """Add the command."""

    @app.command(epilog="Example: paploop rank 7 --wait; paploop rank 7 --show 20")
    def rank(
        project: ProjectId = None,
        show: Annotated[
            int,
            typer.Option("--show", min=0, help="Show the first N images and why they come first, without a new order."),
        ] = 0,
        wait: Wait = False,
        as_json: AsJson = False,
    ) -> None:
        """Rank the unlabeled images again with the current model and strategy, and push the order."""
        from ml_backend.reports.next_items import next_items
        from ml_backend.runs import request_run

        with opened() as services:
            project_id = chosen_project(services, project)
            if show:
                items = next_items(services.store, services.settings, project_id, show)
                rows = [(item["position"], item["task"], item["name"], item["why"]) for item in items]
                print_json(items) if as_json else print_table(("position", "task", "image", "why"), rows)
                return
            run = request_run(
                services.store, project_id, kind="rank", reason="Requested on the command line.", now=services.clock()
            )
            answer_run(followed(services.store, run, wait), as_json)
