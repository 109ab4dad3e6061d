"""Step 1: take in new images, freeze the labels, write the manifest and the request of the training job."""

from __future__ import annotations

import json
from dataclasses import replace

from ml_backend.intake.embedding import embedder_for
from ml_backend.intake.task_import import TaskImporter
from ml_backend.labels.project import project_labels
from ml_backend.loop.kinds.registry import kind_of, serving_run
from ml_backend.loop.steps.result import StepResult
from ml_backend.progress import reporter
from ml_backend.services import Services
from ml_backend.state.records import RunRow
from ml_backend.state.run_request import Request
from training.encoders import Encoder


def prepare(services: Services, run: RunRow) -> StepResult:
    """Write the run folder; go to `train`, or straight to `publish` when there is nothing to learn."""
    store = services.store
    settings = store.projects.settings(run.project_id)
    encoder = _take_in(services, run)
    change = store.labels.last_change(run.project_id)
    labels = project_labels(services.store, run.project_id)
    if run.kind == "rank":
        return StepResult("publish", change, replace(run.request, encoder=encoder.key))
    kind = kind_of(labels.job)
    prepared = kind.prepare(services, run, labels, encoder, serving_run(store, run.project_id, kind))
    request = Request(
        task=kind.name,
        classes=labels.job.classes,
        encoder=encoder.key,
        encoder_name=settings.encoder,
        seed=run.seed,
        threads=services.threads,
        labels=prepared.labels,
        omitted=prepared.omitted,
        own=prepared.own,
    )
    if prepared.nothing:
        why = f"Nothing to train on: {prepared.nothing}. The order is still renewed."
        return StepResult("publish", change, request, decision="kept", decision_reason=why)
    folder = services.files.make(services.files.run_dir(run.id))
    services.files.write_atomic(folder / "request.json", json.dumps(request.as_dict(), indent=2))
    return StepResult("train", change, request)


def _take_in(services: Services, run: RunRow) -> Encoder:
    """Embed the images that came since, and give those that need one their task."""
    store, files = services.store, services.files
    embedder = embedder_for(
        store,
        files,
        services.images,
        run.project_id,
        max_pixels=services.settings.max_image_pixels,
        threads=services.threads,
    )
    embedder.embed_waiting(reporter(store.runs, services.clock, run, "Embedding new images"))
    TaskImporter(
        store, services.label_studio, services.settings, files, services.clock, run.project_id
    ).import_waiting()
    return embedder.encoder
