"""`paploop status`: where each project stands."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import typer

from ml_backend.cli._answer import AsJson, print_facts, print_json, when
from ml_backend.cli._open import ProjectId, chosen_project, opened
from ml_backend.cli._runs import macro_f1
from ml_backend.errors import PapLoopError

if TYPE_CHECKING:
    from ml_backend.services import Services


def _waiting(services: Services) -> int | None:
    try:
        return services.queue.waiting()
    except PapLoopError:
        return None


def project_status(services: Services, project_id: int) -> dict[str, Any]:
    """What a lead asks first about a project, without a call to Label Studio."""
    store = services.store
    project, settings = store.project(project_id), store.settings(project_id)
    runs = store.runs(project_id, limit=50)
    open_run = store.open_run_of(project_id)
    promoted = next((run for run in runs if run.id == project.active_run_id), None)
    ranking = store.active_ranking(project_id)
    return {
        "project": project.id,
        "title": project.title,
        "items": store.count_items(project_id),
        "labelled_tasks": len({row.task_id for row in store.annotations(project_id) if not row.was_cancelled}),
        "strategy": settings.strategy,
        "ordered_by": ranking.strategy if ranking is not None else "",
        "active_version": project.active_version,
        "active_run": project.active_run_id,
        "macro_f1": macro_f1(promoted) if promoted is not None else "",
        "open_run": f"{open_run.id} ({open_run.state}: {open_run.message})" if open_run is not None else "",
        "last_run": f"{runs[0].id} {runs[0].state}: {runs[0].error or runs[0].decision_reason}" if runs else "",
        "reconciled_at": when(project.reconciled_at),
        "jobs_waiting": _waiting(services),
    }


def register(app: typer.Typer) -> None:
    """Add the command."""

    @app.command(epilog="Example: paploop status --json")
    def status(project: ProjectId = None, as_json: AsJson = False) -> None:
        """Show images, labels, model, order and runs of one project or of all."""
        with opened() as services:
            if project is not None:
                numbers = [chosen_project(services, project)]
            else:
                numbers = [row.id for row in services.store.projects()]
            answers = [project_status(services, number) for number in numbers]
        if as_json:
            print_json(answers)
            return
        for answer in answers:
            print_facts({k: "redis is away" if v is None and k == "jobs_waiting" else v for k, v in answer.items()})
        if not answers:
            print_facts({"projects": "none yet; say `paploop up` or `paploop connect PROJECT`"})
