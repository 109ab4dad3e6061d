"""Webhooks as they arrived."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import delete, func, insert, select, update

from ml_backend.state.records import EventRow
from ml_backend.state.tables import events

from .base import Rows, columns

_COLUMNS = columns(events, EventRow)


class EventRows(Rows):
    """SQL of the events table."""

    def add_event(self, project_id: int, action: str, body: Mapping[str, Any], now: float) -> int:
        """Store a webhook; the caller has taken credentials out of it. One short transaction."""
        new = insert(events).values(
            project_id=int(project_id), action=action[:60], body=dict(body), received_at=now, error=""
        )
        with self._db.write() as connection:
            key = connection.execute(new).inserted_primary_key
        assert key is not None
        return int(key[0])

    def open_events(self, limit: int = 100) -> list[EventRow]:
        """Events not dealt with yet, oldest first."""
        query = select(*_COLUMNS).where(events.c.processed_at.is_(None)).order_by(events.c.id).limit(limit)
        with self._db.read() as connection:
            return [EventRow(*row) for row in connection.execute(query)]

    def count_open_events(self) -> int:
        """How many events are waiting."""
        query = select(func.count()).select_from(events).where(events.c.processed_at.is_(None))
        with self._db.read() as connection:
            return int(connection.execute(query).scalar_one())

    def close_event(self, event_id: int, now: float, error: str = "") -> None:
        """Note that an event was dealt with, or why it could not be."""
        change = update(events).where(events.c.id == int(event_id)).values(processed_at=now, error=error)
        with self._db.write() as connection:
            connection.execute(change)

    def purge_events(self, before: float) -> int:
        """Remove events dealt with before a time; answers how many."""
        old = delete(events).where(events.c.processed_at.is_not(None), events.c.processed_at < before)
        with self._db.write() as connection:
            return connection.execute(old).rowcount
