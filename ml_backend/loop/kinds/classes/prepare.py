"""Confirmed classes -> the manifest and the request of a classifier's training job."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from ml_backend.images.items import BETWEEN, leak_group
from ml_backend.labels.project import ProjectLabels
from ml_backend.loop.kinds.base import Prepared
from ml_backend.predictions.classifiers import is_readable
from ml_backend.services import Services
from ml_backend.state.project_settings import ProjectSettings
from ml_backend.state.records import ItemRow, RunRow
from ml_backend.state.vectors import Vectors
from training.data.manifest import write_manifest
from training.encoders import Encoder
from training.files import CHECKPOINT
from training.types import Sample

FINETUNE_LABELS = 500
"""From here on a whole network pays, if there is a GPU to train it."""


def prepare_classes(
    services: Services, run: RunRow, labels: ProjectLabels, encoder: Encoder, before: int | None
) -> Prepared:
    """See `ml_backend.loop.kinds.base.Kind.prepare`."""
    ready = services.store.items.all(run.project_id, states=("ready",))
    samples, omitted = _samples(services, ready, labels)
    present = Counter(sample.label for sample in samples if sample.split == "train")
    method = _method(services.store.projects.settings(run.project_id), len(samples))
    own = {
        "method": method,
        "vectors": services.files.seen_from_run(run.id, Vectors.of(services.files, encoder.key).path),
        "dimension": encoder.dimension,
        "init": _goes_on_from(services, run, method, before),
        "options": {"device": "auto"},
    }
    nothing = ""
    if len(present) < 2:
        nothing = "no label yet" if not present else f"only one class labeled so far ({next(iter(present))})"
    else:
        write_manifest(services.files.make(services.files.run_dir(run.id)) / "manifest.jsonl", samples)
    return Prepared(len(samples), omitted, own, nothing)


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
                path=services.images.of(item),
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


def _goes_on_from(services: Services, run: RunRow, method: str, before: int | None) -> str | None:
    """Where fine-tuning goes on from; a model that cannot be read any more is started anew."""
    if before is None or method == "head" or not is_readable(services.models, before):
        return None
    return services.files.seen_from_run(run.id, services.files.run_dir(before) / CHECKPOINT)
