"""The name of JSON that this wing keeps without knowing what is in it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

Json = Mapping[str, Any]
"""An object of a JSON column. Free-form: Label Studio or a file of the user's decides what it holds, a kind of
project or a strategy writes what only it knows, or a dataclass reads it; values are looked at before they are used."""


def whole(value: object) -> int | None:
    """A whole number of free-form JSON, or None when the value is something else; `true` does not count as one."""
    return value if isinstance(value, int) and not isinstance(value, bool) else None
