"""Times as text: what Label Studio writes and takes, and what people read."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final

from ml_backend.errors import BadRequest

EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
"""The beginning of time: earlier than anything that Label Studio or PapLoop holds."""


def parse_time(text: str) -> datetime:
    """An ISO time as UTC; a time without a zone is UTC, an empty text is `EPOCH`.

    Raises:
        BadRequest: the text is not an ISO time.
    """
    if not text:
        return EPOCH
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise BadRequest(
            f"{text!r} is no ISO time; give one such as 2026-11-21T09:44:30Z.", code="request.bad_time"
        ) from None
    return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)


def time_or_epoch(text: str) -> datetime:
    """An ISO time as UTC; text that is not a time counts as the oldest.

    Times are compared as times because `...:00Z` and `...:00.500000Z` sort the wrong way round as text.
    """
    try:
        return parse_time(text)
    except BadRequest:
        return EPOCH


def format_time(moment: datetime) -> str:
    """The only form that Label Studio's filters take: UTC with microseconds."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def utc_minute(seconds: float) -> str:
    """Unix seconds as `2026-11-21 09:31 UTC`."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M UTC")


def duration(seconds: float) -> str:
    """Seconds as `-4 s`, `3 min` or `2 h 5 min`."""
    sign, whole = ("-" if seconds <= -0.5 else ""), round(abs(seconds))
    if whole < 90:
        return f"{sign}{whole} s"
    minutes = round(whole / 60)
    return f"{sign}{minutes} min" if minutes < 60 else f"{sign}{minutes // 60} h {minutes % 60} min"
