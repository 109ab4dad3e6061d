"""Refused logins in the log: who and where, never what was tried, and never so many that they fill the disk."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from typing import Final

log = logging.getLogger(__name__)

PERIOD: Final = 60.0
"""Seconds that share one allowance."""

LINES: Final = 20
"""Lines written in such a time; the rest is counted."""


class RefusedLogins:
    """What one process logs about callers without the right password.

    Args:
        now: a monotonic clock, seconds.
    """

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._lock = threading.Lock()
        self._since = now()
        self._count = 0

    def note(self, address: str, path: str, *, tried: bool) -> None:
        """Write down one refusal.

        Args:
            address: of the caller, as the socket says.
            path: what was asked for.
            tried: whether a password or secret came along.
        """
        with self._lock:
            left_out = 0
            if self._now() - self._since >= PERIOD:
                left_out = max(0, self._count - LINES)
                self._since, self._count = self._now(), 0
            self._count += 1
            write = self._count <= LINES
        if left_out:
            log.warning("%d more refused logins are not listed", left_out)
        if write:
            what = "a wrong password or secret" if tried else "no password"
            log.warning("login refused: %s came with %s for %s", address or "somebody", what, path[:200])
