"""Times as text: read, written, compared, and shown to people."""

from __future__ import annotations

import pytest

from ml_backend.errors import BadRequest
from ml_backend.times import EPOCH, duration, format_time, parse_time, time_or_epoch, utc_minute


def test_times_are_normalised() -> None:
    assert format_time(parse_time("2026-11-21T09:44:30Z")) == "2026-11-21T09:44:30.000000Z"
    assert format_time(parse_time("2026-11-21T10:44:30.5+01:00")) == "2026-11-21T09:44:30.500000Z"
    assert format_time(parse_time("2026-11-21T09:44:30")) == "2026-11-21T09:44:30.000000Z"
    assert format_time(parse_time("")) == "1970-01-01T00:00:00.000000Z"
    with pytest.raises(BadRequest, match="no ISO time"):
        parse_time("yesterday")


def test_text_that_is_no_time_is_the_oldest_and_fractions_sort_as_times() -> None:
    assert time_or_epoch("yesterday") == EPOCH < time_or_epoch("2026-11-21T09:44:30Z")
    assert time_or_epoch("2026-11-21T09:44:00Z") < time_or_epoch("2026-11-21T09:44:00.500000Z")


def test_minutes_are_told_in_utc() -> None:
    assert utc_minute(1_763_717_460.0) == "2025-11-21 09:31 UTC"


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (12.4, "12 s"),
        (89, "89 s"),
        (180, "3 min"),
        (3599, "1 h 0 min"),
        (7500, "2 h 5 min"),
        (-300, "-5 min"),
        (-0.2, "0 s"),
    ],
)
def test_durations_are_readable(seconds: float, said: str) -> None:
    assert duration(seconds) == said
