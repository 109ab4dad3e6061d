"""Confirmed objects -> the manifest and the request of a detector's training job."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ml_backend.errors import ImageError
from ml_backend.images.items import BETWEEN, leak_group
from ml_backend.label_studio.regions.result import drawn_upright
from ml_backend.labels.object_regions import objects_on
from ml_backend.labels.project import ProjectLabels
from ml_backend.loop.kinds.base import Prepared
from ml_backend.loop.kinds.objects.weights_place import weights_address
from ml_backend.predictions.detectors import detector_of, is_whole
from ml_backend.services import Services
from ml_backend.state.project_settings import ProjectSettings
from ml_backend.state.records import ItemRow, RunRow
from training.data.images import ImageDecodeError, orientation_of
from training.data.object_manifest import OBJECTS, ObjectSample, write_object_manifest
from training.files import read_json
from training.types import TrainingError

TOLD = 50
"""So many sentences on single regions are kept with the run."""


def prepare_objects(services: Services, run: RunRow, labels: ProjectLabels, before: int | None) -> Prepared:
    """See `ml_backend.loop.kinds.base.Kind.prepare`."""
    ready = services.store.items.all(run.project_id, states=("ready",))
    samples, omitted, told = object_samples(services, ready, labels)
    learned = [sample for sample in samples if sample.split == "train" and len(sample.boxes)]
    own = {
        **_job(services, run, services.store.projects.settings(run.project_id), before),
        "objects": sum(len(sample.boxes) for sample in samples),
        "omitted_regions": told,
    }
    nothing = ""
    if not learned:
        nothing = "no object is labeled yet" if not samples else "no training image has a labeled object"
    else:
        write_object_manifest(services.files.make(services.files.run_dir(run.id)) / OBJECTS, samples)
    return Prepared(len(samples), omitted, own, nothing)


def object_samples(
    services: Services, items: Sequence[ItemRow], labels: ProjectLabels
) -> tuple[list[ObjectSample], dict[str, int], list[str]]:
    """Labeled images with their objects.

    Returns:
        The images; why tasks were left out, with their number; sentences on single regions that were left out.

    Raises:
        LabelStudioUnavailable: images lie in Label Studio and it is away.
    """
    samples: list[ObjectSample] = []
    omitted = Counter(labels.left_out.values())
    told: list[str] = []
    for item in items:
        results = labels.objects.get(item.task_id or -1)
        if results is None:
            continue
        if item.split not in ("train", "validation"):
            omitted[BETWEEN] += 1
            continue
        size = (item.height, item.width)
        try:
            path = services.images.of(item)
            orientation = 1 if drawn_upright(results, size) else orientation_of(path)
        except (ImageError, ImageDecodeError):
            omitted["its image can no longer be read"] += 1
            continue
        found = objects_on(results, labels.job, size, orientation=orientation)
        told += [f"Task {item.task_id}: {sentence}" for sentence in found.left_out[: TOLD - len(told)]]
        if found.says_nothing:
            omitted["none of its regions can be read"] += 1
            continue
        samples.append(
            ObjectSample(
                id=item.id,
                split=item.split,
                path=path,
                size=size,
                group=leak_group(item),
                boxes=found.boxes,
                classes=found.classes,
                masks=found.masks,
                ignore=found.ignore,
                checked=found.checked,
            )
        )
    return samples, dict(omitted), told


def _job(services: Services, run: RunRow, settings: ProjectSettings, active: int | None) -> dict[str, Any]:
    before = detector_of(services.models, active)
    if active is None or before is None or not _goes_on(before, settings) or not is_whole(services.models, active):
        before = None
    return {
        "minutes": settings.train_minutes,
        "steps": settings.train_steps,
        "backbone": settings.backbone,
        "init": services.files.seen_from_run(run.id, before) if before is not None else None,
        "options": {
            "device": "auto",
            "stages": settings.stages,
            "weights": weights_address(settings.backbone_weights, services),
            "weights_sha256": settings.backbone_sha256,
        },
    }


def _goes_on(checkpoint: Path, settings: ProjectSettings) -> bool:
    """Whether a detector is of the kind that the project asks for now, so that training can go on from it."""
    try:
        plan = read_json(checkpoint / "plan.json").get("plan")
    except TrainingError:
        return False
    if not isinstance(plan, dict):
        return False
    return plan.get("backbone") == settings.backbone and plan.get("stages", 2) == settings.stages
