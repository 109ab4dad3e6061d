"""Step 2: the training job, files in and files out."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from ml_backend.predictions.detectors import finds_objects
from ml_backend.progress import reporter
from ml_backend.services import Services
from ml_backend.state.records import RunRow
from training.jobs.classes import train as train_job
from training.types import Metrics, Progress


def train(services: Services, run: RunRow) -> tuple[str, Mapping[str, Any]]:
    """Train the candidate of this run; a repeated call starts over or finds the finished checkpoint."""
    folder = services.files.run_dir(run.id)
    metrics = _job(run)(folder, reporter(services.store.runs, services.clock, run, "Training"))
    return "judge", {"metrics": {**run.metrics, "training": dict(metrics)}}


def _job(run: RunRow) -> Callable[[Path, Progress], Metrics]:
    if not finds_objects(run):
        return train_job
    # Imported late: the web process asks for runs without torch.
    from training.jobs.objects import train_objects

    return train_objects
