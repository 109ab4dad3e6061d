"""`paploop strategy`: the acquisition strategy and policy of a project."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from ml_backend.cli._answer import print_facts, print_json, print_table
from ml_backend.cli._open import chosen_project, opened
from ml_backend.cli._options import AsJson, OneProject
from ml_backend.errors import BadRequest


def parse_assignments(assignments: list[str]) -> dict[str, object]:
    """`["a=1", "b=text"]` -> `{"a": 1, "b": "text"}`; values are JSON where they can be.

    Raises:
        BadRequest: an entry has no equals sign.
    """
    values: dict[str, object] = {}
    for assignment in assignments:
        name, equals, text = assignment.partition("=")
        if not equals or not name.strip():
            raise BadRequest(f"'{assignment}' is not of the form name=value. Write, for example, --set window=500.")
        try:
            values[name.strip()] = json.loads(text)
        except json.JSONDecodeError:
            values[name.strip()] = text
    return values


def _list(as_json: bool) -> None:
    from ml_backend.ordering.strategy_choice import strategy_list

    found = strategy_list()
    if as_json:
        print_json(found)
        return
    rows = [(info["name"], info["family"], ", ".join(info["needs"]), info["summary"]) for info in found]
    print_table(("strategy", "family", "needs", "what it does"), rows)


def register(app: typer.Typer) -> None:
    """Add the command."""

    @app.command(epilog="Example: paploop strategy margin --project 7 --set window=500 --set retrain_labels=40")
    def strategy(
        name: Annotated[
            str | None, typer.Argument(help="The new strategy; without it, the settings are shown.")
        ] = None,
        project: OneProject = None,
        assign: Annotated[list[str] | None, typer.Option("--set", help="A project setting as name=value.")] = None,
        show_all: Annotated[bool, typer.Option("--list", help="List all strategies.")] = False,
        as_json: AsJson = False,
    ) -> None:
        """Show or change a project's strategy and policy; changes apply from the next ranking."""
        if show_all:
            _list(as_json)
            return
        from ml_backend.ordering.strategy_choice import change_settings

        with opened() as services:
            project_id = chosen_project(services, project)
            changes = parse_assignments(assign or [])
            if name is not None:
                changes["strategy"] = name
            if changes:
                change_settings(services.store.projects, project_id, changes)
            settings = services.store.projects.settings(project_id).model_dump()
        print_json(settings) if as_json else print_facts(settings, title=f"Project {project_id}")
