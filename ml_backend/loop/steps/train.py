"""Step 2: the training job, files in and files out."""

from __future__ import annotations

from dataclasses import replace

from ml_backend.loop.kinds.registry import kind_of_run
from ml_backend.loop.steps.result import StepResult
from ml_backend.progress import reporter
from ml_backend.services import Services
from ml_backend.state.records import RunRow


def train(services: Services, run: RunRow) -> StepResult:
    """Train the candidate of this run; a repeated call starts over or finds the finished checkpoint."""
    folder = services.files.run_dir(run.id)
    measured = kind_of_run(run).train(folder, reporter(services.store.runs, services.clock, run, "Training"))
    return StepResult("judge", metrics=replace(run.metrics, training=measured))
