"""What a row id of Label Studio can be."""

from __future__ import annotations

from typing import Any, Final

MAX_ID: Final = 2**63 - 1
"""The largest number that a database column holds."""


def identifier(value: Any) -> int | None:
    """A row id, or None when the value is none."""
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 < value <= MAX_ID else None
