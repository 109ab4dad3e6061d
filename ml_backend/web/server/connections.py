"""One connection: how long it may wait, and what it must move in the time."""

from __future__ import annotations

import time
from socket import socket
from typing import Final

from waitress.adjustments import Adjustments
from waitress.channel import HTTPChannel

from ml_backend.web.server.requests import ArrivingRequest

IDLE: Final = 20.0
"""Seconds a connection may be kept alive between two requests."""

GRACE: Final = 20.0
"""Seconds for the head of a request to arrive, and for the first bytes of a response to be read."""

SLOWEST: Final = 16 * 2**10
"""Bytes a second that a body or an answer has to move after that, on average."""


class Connection(HTTPChannel):
    """A waitress channel that knows what it waits for.

    Waitress counts any byte as life, so a caller who sends one each minute holds a connection forever; here the time
    runs from the start of a wait, and only progress at a real rate extends it.
    """

    def __init__(self, server: object, sock: socket, addr: object, adj: Adjustments, map: object = None) -> None:
        super().__init__(server, sock, addr, adj, map=map)
        self.parser_class = self._arriving
        self._wait: object = None
        self._since = time.monotonic()
        self._unsent = 0

    def _arriving(self, adj: Adjustments) -> ArrivingRequest:
        return ArrivingRequest(adj, self.server.admits, str(self.addr[0]))

    @property
    def working(self) -> bool:
        """Whether a thread is working, or is about to work, on a request of this connection."""
        return bool(self.requests)

    @property
    def busy(self) -> bool:
        """Whether a response is being computed or sent."""
        return self.working or bool(self.total_outbufs_len)

    def overdue(self, now: float) -> float:
        """Seconds by which the caller is late; negative while there is time left.

        Args:
            now: of the monotonic clock.
        """
        arriving, unsent = self.request, int(self.total_outbufs_len)
        wait: object = "work" if self.working else "send" if unsent else arriving
        if wait is not self._wait:
            self._wait, self._since, self._unsent = wait, now, unsent
        if wait == "work":
            return -GRACE
        if wait == "send":
            # What a thread added meanwhile gives time as well.
            self._unsent = max(self._unsent, unsent)
            allowed = GRACE + (self._unsent - unsent) / SLOWEST
        elif arriving is None:
            allowed = IDLE
        else:
            allowed = GRACE + arriving.body_bytes_received / SLOWEST
        return now - self._since - allowed

    def drop(self) -> None:
        """Close it at the next turn of the loop."""
        self.will_close = True
