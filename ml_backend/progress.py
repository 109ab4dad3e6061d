"""Progress of long work: bars in a terminal, and the progress of a run for the lead who watches it."""

from __future__ import annotations

from collections.abc import Callable

from ml_backend.state.records import RunRow
from ml_backend.state.rows.runs import RunRows
from training.types import Progress

Stage = Callable[[str], Progress]
"""Opens a progress bar with a title and returns the callback that moves it."""


def reporter(runs: RunRows, clock: Callable[[], float], run: RunRow, what: str) -> Progress:
    """A callback that keeps the run's progress and message fresh, at most once a second."""
    last = [0.0]

    def report(fraction: float, message: str) -> None:
        now = clock()
        if fraction >= 1 or now - last[0] >= 1:
            last[0] = now
            runs.update(run.id, progress=float(fraction), message=f"{what}: {message}" if message else what)

    return report
