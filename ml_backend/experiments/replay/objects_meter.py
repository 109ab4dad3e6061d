"""Progress and remaining time of a detection replay, counted in training steps."""

from __future__ import annotations

import time
from collections.abc import Callable

from training.types import Progress


class Meter:
    """Tells a progress bar about work that is counted in steps of training.

    Args:
        total: steps of the whole replay.
        progress: the bar.
        clock: seconds.
    """

    def __init__(self, total: float, progress: Progress, clock: Callable[[], float] = time.monotonic) -> None:
        self._total, self._progress, self._clock = max(total, 1.0), progress, clock
        self._done = self._found = 0.0
        self._started = clock()
        self._counted: set[str] = set()

    def passed(self, cost: float, *, once: str = "", found: bool = False) -> None:
        """A round is over.

        Args:
            cost: its steps.
            once: name of a round that several strategies share, so that it counts once.
            found: it had been played before this replay was started, so it says nothing about the pace.
        """
        if once and once in self._counted:
            return
        self._counted.add(once)
        self._done += cost
        self._found += cost if found else 0.0

    def show(self, text: str, within: float = 0.0) -> None:
        """Move the bar; `within` are the steps done of the round that is being played."""
        self._progress(min(0.999, (self._done + within) / self._total), f"{self.left(within)} {text}".strip())

    def left(self, within: float = 0.0) -> str:
        """The remaining time at the pace so far, in words; empty while unknown."""
        played = self._done + within - self._found
        if played <= 0:
            return ""
        seconds = (self._clock() - self._started) * max(0.0, self._total - self._done - within) / played
        return f"{seconds / 60:.0f} min left," if seconds >= 60 else f"{seconds:.0f} s left,"
