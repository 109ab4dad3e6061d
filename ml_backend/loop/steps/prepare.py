"""Step 1: take in new images, freeze the labels, write the manifest and the request of the training job."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from ml_backend.images.items import BETWEEN, leak_group
from ml_backend.intake.embedding import embedder_for
from ml_backend.intake.task_import import TaskImporter
from ml_backend.labels.project import ProjectLabels, project_labels
from ml_backend.loop.kinds.objects.prepare import prepare_objects
from ml_backend.predictions.classifiers import is_readable
from ml_backend.predictions.detectors import finds_objects
from ml_backend.progress import reporter
from ml_backend.services import Services
from ml_backend.state.project_settings import ProjectSettings
from ml_backend.state.records import ItemRow, RunRow
from training.data.manifest import write_manifest
from training.encoders import Encoder
from training.jobs.classes import CHECKPOINT
from training.types import Sample

FINETUNE_LABELS = 500
"""From here on a whole network pays, if there is a GPU to train it."""


def prepare(services: Services, run: RunRow) -> tuple[str, Mapping[str, Any]]:
    """Write the run folder; go to `train`, or straight to `publish` when there is nothing to learn."""
    store = services.store
    settings = store.projects.settings(run.project_id)
    encoder = _take_in(services, run)
    change = store.labels.last_change(run.project_id)
    labels = project_labels(services.store, run.project_id)
    if run.kind == "rank":
        return "publish", {"change": change, "request": {**run.request, "encoder": encoder.key}}
    names = {"encoder": encoder.key, "encoder_name": settings.encoder}
    if labels.job.finds_objects:
        following, fields = prepare_objects(services, run, labels, names)
        return following, {"change": change, **fields}
    samples, omitted = _samples(services, store.items.all(run.project_id, states=("ready",)), labels)
    present = Counter(sample.label for sample in samples if sample.split == "train")
    method = _method(settings, len(samples))
    request = {
        "classes": list(labels.job.classes),
        "method": method,
        "seed": run.seed,
        **names,
        "vectors": services.files.seen_from_run(run.id, services.vectors(encoder.key).path),
        "dimension": encoder.dimension,
        "init": _incumbent_checkpoint(services, run, method),
        "threads": services.threads,
        "options": {"device": "auto"},
        "labels": len(samples),
        "omitted": omitted,
    }
    if len(present) < 2:
        few = "no label yet" if not present else f"only one class labeled so far ({next(iter(present))})"
        decision = {
            "decision": "kept",
            "decision_reason": f"Nothing to learn: {few}. The order is renewed all the same.",
        }
        return "publish", {"change": change, "request": request, **decision}
    folder = services.files.make(services.files.run_dir(run.id))
    write_manifest(folder / "manifest.jsonl", samples)
    services.files.write_atomic(folder / "request.json", json.dumps(request, indent=2))
    return "train", {"change": change, "request": request}


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


def _samples(
    services: Services, items: Sequence[ItemRow], labels: ProjectLabels
) -> tuple[list[Sample], Mapping[str, int]]:
    samples, omitted = [], Counter[str]()
    omitted.update(labels.left_out.values())
    for item in items:
        label = labels.labels.get(item.task_id or -1)
        if label is None:
            continue
        if item.split not in ("train", "validation"):
            omitted[BETWEEN] += 1
            continue
        samples.append(
            Sample(
                id=item.id,
                path=services.image_path(item),
                label=label,
                split=item.split,
                group=leak_group(item),
                vector_row=item.vector_row,
            )
        )
    return samples, dict(omitted)


def _method(settings: ProjectSettings, labels: int) -> str:
    if settings.method != "auto":
        return str(settings.method)
    if labels < FINETUNE_LABELS:
        return "head"
    import torch

    return "finetune" if torch.cuda.is_available() else "head"


def _incumbent_checkpoint(services: Services, run: RunRow, method: str) -> str | None:
    """Where fine-tuning goes on from; a model that cannot be read any more is started anew."""
    active = services.store.projects.one(run.project_id).active_run_id
    if active is None or finds_objects(services.store.runs.one(active)):
        return None
    if method == "head" or not is_readable(services.models, active):
        return None
    return services.files.seen_from_run(run.id, services.files.run_dir(active) / CHECKPOINT)
