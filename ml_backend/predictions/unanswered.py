"""Tasks without a prediction from `/predict`, and why: for the log, the metrics and the project's page."""

from __future__ import annotations

import logging
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

log = logging.getLogger(__name__)

KEPT: Final = 5
"""Newest reasons kept for a project."""

PROJECTS: Final = 1000
"""Projects for which reasons are kept; those of more are logged and counted together."""

Note = Callable[[str, str, int], None]
"""Takes the kind of reason (as docs/api.md lists them for the metric), a sentence, and how many tasks it holds for."""


@dataclass(frozen=True)
class Reason:
    """Why tasks got no prediction.

    Attributes:
        at: unix seconds.
        tasks: how many.
        sentence: what happened and what to do.
    """

    at: float
    tasks: int
    sentence: str


class Unanswered:
    """What one web process could not predict since its start.

    Args:
        clock: unix seconds now.
    """

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._newest: dict[int, deque[Reason]] = {}
        self._counts: Counter[tuple[int, str]] = Counter()

    def noting(self, project_id: int) -> Note:
        """The callback that records the reasons of one project."""

        def note(kind: str, sentence: str, tasks: int) -> None:
            what = "1 task" if tasks == 1 else f"{tasks} tasks"
            log.warning("project %d: %s without a prediction: %s", project_id, what, sentence)
            with self._lock:
                if project_id not in self._newest and len(self._newest) >= PROJECTS:
                    self._counts[0, kind] += tasks
                    return
                self._newest.setdefault(project_id, deque(maxlen=KEPT)).append(Reason(self._clock(), tasks, sentence))
                self._counts[project_id, kind] += tasks

        return note

    def newest(self, project_id: int) -> list[Reason]:
        """The last reasons of a project, newest first."""
        with self._lock:
            return list(reversed(self._newest.get(project_id, ())))

    def total(self, project_id: int) -> int:
        """Tasks of a project without a prediction since the process started."""
        with self._lock:
            return sum(count for (project, _), count in self._counts.items() if project == project_id)

    def counts(self) -> Mapping[tuple[int, str], int]:
        """Tasks by project and kind of reason."""
        with self._lock:
            return dict(self._counts)
