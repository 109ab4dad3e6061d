"""`paploop status`: the state of each project."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import typer

from ml_backend.cli._answer import print_facts, print_json, say
from ml_backend.cli._open import opened
from ml_backend.cli._options import AsJson, ProjectId
from ml_backend.errors import PapLoopError, Unavailable

if TYPE_CHECKING:
    from ml_backend.services import Services
    from ml_backend.work_queue import WorkQueue


def _jobs_waiting(queue: WorkQueue) -> int | str:
    try:
        return queue.waiting()
    except Unavailable as error:
        return str(error)


def _standing(services: Services, number: int, asked: int | None) -> dict[str, object]:
    """The state of a project; if it cannot be determined, why. The other projects are shown anyway."""
    from ml_backend.reports.overview import overview

    try:
        return overview(services.store, number, now=services.clock()).as_dict()
    except PapLoopError as error:
        if asked is not None:
            raise
        return {"project": number, "title": services.store.projects.one(number).title, "problem": str(error)}


def _plain(value: object) -> object:
    if isinstance(value, Mapping):
        return ", ".join(f"{name} {count}" for name, count in value.items()) or "none"
    return value


def register(app: typer.Typer) -> None:
    """Add the command."""

    @app.command(epilog="Example: paploop status --json")
    def status(project: ProjectId = None, as_json: AsJson = False) -> None:
        """Show images, labels, model, order and runs of one project or of all."""
        from ml_backend.state.secret_file import secrets_path

        with opened() as services:
            numbers = [project] if project is not None else [row.id for row in services.store.projects.all()]
            waiting = _jobs_waiting(services.queue) if numbers else ""
            user, place = services.settings.basic_auth_user, secrets_path(services.files)
            answers = [{**_standing(services, number, project), "jobs_waiting": waiting} for number in numbers]
        if as_json:
            print_json(answers)
            return
        say(f"Log in to PapLoop as '{user}'. The password is basic_auth_password in {place}.")
        for answer in answers:
            shown = {name.replace("_", " "): _plain(value) for name, value in answer.items() if value not in (None, "")}
            print_facts(shown)
        if not answers:
            say("There is no project yet. Run `paploop up` or `paploop connect PROJECT`.")
