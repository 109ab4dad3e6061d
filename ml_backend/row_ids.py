"""What numbers of Label Studio's rows can be: ids, and seconds spent."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

MAX_ID: Final = 2**63 - 1
"""The largest number that a database column holds."""

LONGEST: Final = 10 * 366 * 86_400.0
"""Seconds over which nobody works on one annotation."""


def identifier(value: Any) -> int | None:
    """A row id, or None when the value cannot be one."""
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 < value <= MAX_ID else None


def identifier_of(value: Any) -> int | None:
    """The row id in a value that is the id, or an object with it."""
    return identifier(value.get("id") if isinstance(value, Mapping) else value)


def seconds(value: Any) -> float | None:
    """A duration, or None when the value cannot be one."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= LONGEST:
        return None
    return float(value)
