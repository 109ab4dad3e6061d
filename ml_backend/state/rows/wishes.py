"""Runs that were asked for while another one was open: one per project, honored when that one has ended."""

from __future__ import annotations

from typing import Final

from sqlalchemy import Connection, delete, insert, select, update

from ml_backend.state.records import WishRow
from ml_backend.state.tables import wishes

from .base import columns

_COLUMNS = columns(wishes, WishRow)
_COVERS: Final = {"train": ("train", "rank"), "rank": ("rank",)}
"""Kind of a run -> kinds of wishes that it fulfils: training ends with a new order too."""


def covers(kind: str, wished: str) -> bool:
    """Whether a run of one kind fulfills a request for another."""
    return wished in _COVERS[kind]


def wish_of(connection: Connection, project_id: int) -> WishRow | None:
    """The requested run of a project, or None."""
    row = connection.execute(select(*_COLUMNS).where(wishes.c.project_id == int(project_id))).first()
    return None if row is None else WishRow(*row)


def keep_wish(connection: Connection, project_id: int, kind: str, reason: str, now: float) -> None:
    """Combine a request with an existing one: train supersedes rank, otherwise the first reason stays.

    The caller holds the project's row (`lock_project`).
    """
    values: dict[str, object] = {"kind": kind, "reason": reason, "asked_at": now}
    present = wish_of(connection, project_id)
    if present is None:
        connection.execute(insert(wishes).values(project_id=int(project_id), **values))
    elif not covers(present.kind, kind):
        connection.execute(update(wishes).where(wishes.c.project_id == int(project_id)).values(**values))


def drop_wish(connection: Connection, project_id: int) -> None:
    """Remove the request."""
    connection.execute(delete(wishes).where(wishes.c.project_id == int(project_id)))
