"""Step 2: the training job, files in and files out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ml_backend.detection.models import finds_objects
from ml_backend.services import Services
from ml_backend.state.records import RunRow
from ml_backend.steps.progress import reporter
from training.detection_job import train_objects
from training.jobs import train as train_job


def train(services: Services, run: RunRow) -> tuple[str, Mapping[str, Any]]:
    """Train the candidate of this run; a repeated call starts over or finds the finished checkpoint."""
    folder = services.files.run_dir(run.id)
    job = train_objects if finds_objects(run) else train_job
    metrics = job(folder, reporter(services, run, "Training"))
    return "judge", {"metrics": {**run.metrics, "training": dict(metrics)}}
