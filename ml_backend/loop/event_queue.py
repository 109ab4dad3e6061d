"""Applies stored webhooks in order; a failing one is retried while others go on, then set aside for a person."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any, Final

from ml_backend.errors import BadRequest, NotFound
from ml_backend.loop.events import apply_event
from ml_backend.services import Services
from ml_backend.state.records import EventRow

log = logging.getLogger(__name__)

MOST_TRIES: Final = 5
"""After so many failures, each recorded in the database, an event is set aside."""

LONGEST_WAIT: Final = 60.0


def apply_open_events(services: Services, limit: int = 200) -> Sequence[EventRow]:
    """Apply waiting events, oldest first; a failing event does not delay others.

    Returns:
        The events that were looked at.

    Raises:
        Unavailable: the database does not even take note of a failure, so it is not an event's fault.
    """
    events = services.store.events.due(services.clock(), LONGEST_WAIT * 2, limit)
    for event in events:
        _apply(services, event)
    return events


def _apply(services: Services, event: EventRow) -> None:
    store, tries = services.store, event.tries + 1
    try:
        apply_event(services, event)
    except NotFound as problem:
        # Label Studio sends an organization's webhooks for projects that are not connected, too.
        store.events.close(event.id, services.clock(), str(problem))
    except BadRequest as problem:
        _set_aside(services, event, str(problem), tries)
    except Exception as problem:
        log.exception("webhook %d (%s) cannot be applied", event.id, event.action)
        reason = str(problem) or type(problem).__name__
        if tries >= MOST_TRIES:
            _set_aside(services, event, reason, tries)
            return
        wait = min(LONGEST_WAIT, 2.0**tries)
        store.events.update(event.id, tries=tries, error=reason, next_try_at=services.clock() + wait)
    else:
        store.events.close(event.id, services.clock())


def _set_aside(services: Services, event: EventRow, reason: str, tries: int) -> None:
    store = services.store
    store.events.update(event.id, tries=tries, processed_at=services.clock(), error=reason, set_aside=True)
    log.warning("webhook %d of project %d was set aside: %s", event.id, event.project_id, reason)
    # What it said is found by the next poll, as far as Label Studio holds it.
    store.projects.update(event.project_id, reconciled_at=0.0)


def set_aside_event(services: Services, event_id: int) -> EventRow:
    """An event that was set aside.

    Raises:
        NotFound: no event has that number.
        BadRequest: it was not set aside.
    """
    event = services.store.events.one(event_id)
    if not event.set_aside:
        raise BadRequest(
            f"Webhook {event_id} is not set aside. `paploop events` lists those that are.",
            code="event.not_set_aside",
            event=event_id,
        )
    return event


def apply_again(services: Services, event_id: int) -> EventRow:
    """Apply an event that was set aside; if it fails again, it stays set aside.

    Raises:
        NotFound, BadRequest: it was not set aside, or cannot be applied; the message says why.
    """
    event = set_aside_event(services, event_id)
    apply_event(services, event)
    services.store.events.close(event_id, services.clock())
    return services.store.events.one(event_id)


def discard(services: Services, event_id: int) -> EventRow:
    """Discard an event that was set aside; it stays readable as long as applied ones do.

    Raises:
        NotFound, BadRequest: it was not set aside.
    """
    event = set_aside_event(services, event_id)
    services.store.events.close(event_id, services.clock(), event.error)
    return services.store.events.one(event_id)


def event_summary(event: EventRow) -> dict[str, Any]:
    """An event as a report for the lead; times are Unix seconds."""
    return {
        "id": event.id,
        "project": event.project_id,
        "action": event.action,
        "received_at": event.received_at,
        "tries": event.tries,
        "reason": event.error,
        "set_aside": event.set_aside,
    }
