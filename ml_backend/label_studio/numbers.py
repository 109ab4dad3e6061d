"""Valid numbers from Label Studio: ids of rows and projects, and seconds spent."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from ml_backend.errors import BadRequest

MAX_ID: Final = 2**63 - 1
"""The largest number that a database column holds."""

LONGEST: Final = 10 * 366 * 86_400.0
"""Seconds over which nobody works on one annotation."""


def identifier(value: object) -> int | None:
    """A row id, or None when the value cannot be one."""
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 < value <= MAX_ID else None


def identifier_of(value: object) -> int | None:
    """The row id in a value that is the id, or an object with it."""
    return identifier(value.get("id") if isinstance(value, Mapping) else value)


def seconds(value: object) -> float | None:
    """A duration, or None when the value cannot be one."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= LONGEST:
        return None
    return float(value)


def project_number(value: object) -> int:
    """Label Studio's project id from any of the forms it sends.

    `3`, `"3"`, `"3.1795253497"` (id and time of creation, in ML calls) and `{"id": 3, ...}` (in webhooks) are all 3.

    Raises:
        BadRequest: it is not one of these.
    """
    number = value.get("id") if isinstance(value, Mapping) else value
    if isinstance(number, str):
        head = number.split(".", 1)[0].strip()
        number = int(head) if head.isascii() and head.isdigit() and len(head) < 20 else None
    if (known := identifier(number)) is not None:
        return known
    raise BadRequest(
        "The body names no project; send its id under 'project', as Label Studio does.", code="request.no_project"
    )
