"""What the row classes share."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import fields
from typing import Any, Protocol, runtime_checkable

from sqlalchemy import Column, Connection, Table, select

from ml_backend.errors import NotFound
from ml_backend.state.database import Database, plain
from ml_backend.state.tables import projects


class Rows:
    """Holds the database; every public method is one or more whole transactions."""

    def __init__(self, database: Database, clock: Callable[[], float]) -> None:
        self._db = database
        self._clock = clock

    def _time(self, now: float | None) -> float:
        return self._clock() if now is None else now


def columns(table: Table, record: type) -> list[Column[Any]]:
    """The columns of a record in the order of its fields, so that `record(*row)` works."""
    return [table.c[field.name] for field in fields(record)]


@runtime_checkable
class Written(Protocol):
    """What a JSON column holds, as the value that the rest of PapLoop reads."""

    def as_dict(self) -> dict[str, object]:
        """JSON form."""


def as_stored(value: object) -> object:
    """A value as a column takes it."""
    return value.as_dict() if isinstance(value, Written) else plain(value)


def checked(table: Table, values: Mapping[str, object]) -> dict[str, object]:
    """Plain values for known columns.

    Raises:
        TypeError: a name is not a column that may be set.
    """
    unknown = sorted(set(values) - (set(table.c.keys()) - {"id"}))
    if unknown:
        raise TypeError(f"{table.name} has no column {', '.join(unknown)} that can be set")
    return {name: as_stored(value) for name, value in values.items()}


def unknown_project(project_id: int) -> NotFound:
    """The error for a project that is not connected."""
    return NotFound(
        f"Project {project_id} is not connected to PapLoop. Run `paploop connect {project_id}` first.",
        code="project.unknown",
        project=project_id,
    )


def lock_project(connection: Connection, project_id: int) -> None:
    """Let one transaction at a time count on this project (SQLite does so anyway).

    Raises:
        NotFound: the project is not connected.
    """
    row = connection.execute(select(projects.c.id).where(projects.c.id == project_id).with_for_update()).first()
    if row is None:
        raise unknown_project(project_id)
