"""`paploop runs`: what was trained, why, and with what result."""

from __future__ import annotations

from typing import Annotated

import typer

from ml_backend.cli._answer import print_json
from ml_backend.cli._open import chosen_project, opened
from ml_backend.cli._options import AsJson, ProjectId
from ml_backend.cli._runs import answer_run, print_runs


def register(app: typer.Typer) -> None:
    """Add the command."""

    @app.command(epilog="Example: paploop runs 7 --limit 10")
    def runs(
        project: ProjectId = None,
        run: Annotated[int | None, typer.Option("--run", help="Show all details of one run.")] = None,
        limit: Annotated[int, typer.Option(min=1, help="Number of runs to show, newest first.")] = 20,
        as_json: AsJson = False,
    ) -> None:
        """List the runs of a project with their reasons and outcomes."""
        from ml_backend.reports.run_summary import run_summary

        with opened() as services:
            if run is not None:
                answer_run(services.store.runs.one(run), as_json)
                return
            rows = services.store.runs.latest(chosen_project(services, project), limit=limit)
        summaries = [run_summary(row) for row in rows]
        print_json(summaries) if as_json else print_runs(summaries)
