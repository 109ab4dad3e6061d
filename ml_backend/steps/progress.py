"""Progress of a step, written to the run at most once a second so that a lead can watch it."""

from __future__ import annotations

from ml_backend.services import Services
from ml_backend.state.records import RunRow
from training.types import Progress


def reporter(services: Services, run: RunRow, what: str) -> Progress:
    """A callback that keeps the run's progress and message fresh."""
    last = [0.0]

    def report(fraction: float, message: str) -> None:
        now = services.clock()
        if fraction >= 1 or now - last[0] >= 1:
            last[0] = now
            services.store.update_run(
                run.id, progress=float(fraction), message=f"{what}: {message}" if message else what
            )

    return report
