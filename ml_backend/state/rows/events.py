"""Webhooks as they arrived, and what happened to them."""

from __future__ import annotations

from sqlalchemy import ColumnElement, delete, func, insert, select, update

from ml_backend.errors import NotFound
from ml_backend.state.free_form import Json
from ml_backend.state.records import EventRow
from ml_backend.state.tables import events

from .base import Rows, checked, columns

_COLUMNS = columns(events, EventRow)


class EventRows(Rows):
    """SQL of the events table."""

    def add(self, project_id: int, action: str, body: Json, now: float) -> int:
        """Store a webhook; the caller has taken credentials out of it. One short transaction."""
        new = insert(events).values(
            project_id=int(project_id), action=action[:60], body=dict(body), received_at=now, error=""
        )
        with self._db.write() as connection:
            key = connection.execute(new).inserted_primary_key
        assert key is not None
        return int(key[0])

    def one(self, event_id: int) -> EventRow:
        """One event.

        Raises:
            NotFound: no event has that number.
        """
        with self._db.read() as connection:
            row = connection.execute(select(*_COLUMNS).where(events.c.id == int(event_id))).first()
        if row is None:
            raise NotFound(
                f"There is no webhook {event_id}. `paploop events` lists those that are set aside.",
                code="event.unknown",
                event=event_id,
            )
        return EventRow(*row)

    def all_open(self, limit: int = 100) -> list[EventRow]:
        """Events not processed yet, oldest first, including those that wait for their next try."""
        return self._select_events(events.c.processed_at.is_(None), limit=limit)

    def due(self, now: float, longest: float, limit: int) -> list[EventRow]:
        """Open events whose turn it is, oldest first.

        Args:
            now: unix seconds.
            longest: what lies further in the future was noted by a clock that ran ahead, and is due.
            limit: at most this many.
        """
        is_due = (events.c.next_try_at <= now) | (events.c.next_try_at > now + longest)
        return self._select_events(events.c.processed_at.is_(None), is_due, limit=limit)

    def set_aside(self, project_id: int | None = None, limit: int = 100) -> list[EventRow]:
        """Events that could not be applied and wait for a person, oldest first; of all projects if none is named."""
        of_project = [] if project_id is None else [events.c.project_id == int(project_id)]
        return self._select_events(events.c.set_aside.is_(True), *of_project, limit=limit)

    def _select_events(self, *conditions: ColumnElement[bool], limit: int) -> list[EventRow]:
        query = select(*_COLUMNS).where(*conditions).order_by(events.c.id).limit(limit)
        with self._db.read() as connection:
            return [EventRow(*row) for row in connection.execute(query)]

    def count_open(self) -> int:
        """How many events are waiting."""
        return self._count(events.c.processed_at.is_(None))

    def count_set_aside(self, project_id: int) -> int:
        """How many events of a project were set aside."""
        return self._count(events.c.set_aside.is_(True), events.c.project_id == int(project_id))

    def is_superseded(self, event: EventRow) -> bool:
        """Whether a later event of the same project and action was applied."""
        later = (events.c.id > event.id, events.c.processed_at.is_not(None), events.c.error == "")
        return self._count(events.c.project_id == event.project_id, events.c.action == event.action, *later) > 0

    def _count(self, *conditions: ColumnElement[bool]) -> int:
        with self._db.read() as connection:
            return int(connection.execute(select(func.count()).select_from(events).where(*conditions)).scalar_one())

    def close(self, event_id: int, now: float, error: str = "", *, set_aside: bool = False) -> None:
        """Record that an event was processed, or why it could not be; `set_aside` keeps it for a person."""
        self.update(event_id, processed_at=now, error=error, set_aside=set_aside)

    def update(self, event_id: int, **values: object) -> None:
        """Set columns of an event."""
        change = update(events).where(events.c.id == int(event_id)).values(checked(events, values))
        with self._db.write() as connection:
            connection.execute(change)

    def purge(self, before: float) -> int:
        """Remove events processed before a time; returns how many. Events set aside wait for a person."""
        old = delete(events).where(
            events.c.processed_at.is_not(None), events.c.processed_at < before, events.c.set_aside.is_(False)
        )
        with self._db.write() as connection:
            return connection.execute(old).rowcount
