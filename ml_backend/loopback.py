"""Which addresses are this machine, and when two URLs lead to the same place."""

from __future__ import annotations

from typing import Final, NamedTuple
from urllib.parse import urlsplit

LOCAL: Final = "127.0.0.1"
"""The address at which this machine reaches itself."""

_EVERY_INTERFACE = frozenset({"0.0.0.0", "::"})  # noqa: S104 - compared with, never listened on
_THIS_MACHINE = frozenset({"localhost", LOCAL, "::1"}) | _EVERY_INTERFACE


class Place(NamedTuple):
    """Where a URL leads: the names of this machine are one, the port is filled in, the user name is dropped."""

    scheme: str
    host: str
    port: int
    path: str

    @property
    def origin(self) -> tuple[str, str, int]:
        """What browsers call the origin of a page."""
        return self.scheme, self.host, self.port


def place(url: str) -> Place:
    """Where a URL leads; one that cannot be read is a place of its own."""
    try:
        parts = urlsplit(url)
        port = parts.port or (443 if parts.scheme == "https" else 80)
    except ValueError:
        return Place("", url, 0, "")
    host = (parts.hostname or "").lower()
    return Place(parts.scheme, "localhost" if host in _THIS_MACHINE else host, port, parts.path.rstrip("/"))


def reachable(host: str) -> str:
    """The address at which a program is reached that listens on `host`."""
    return LOCAL if host in _EVERY_INTERFACE else host
