"""Train a detector for the loop: files in, files out. A killed job is simply run again."""

from __future__ import annotations

import hashlib
from pathlib import Path

from training.classification.request import REQUEST
from training.data.detection_set import DetectionSet
from training.data.object_manifest import OBJECTS, detection_sets, read_object_manifest
from training.detection.checkpoint import is_detector
from training.detection.detectron2.training import fit
from training.detection.recipe import Recipe
from training.files import CHECKPOINT, METRICS, named_in, read_json, write_json_atomic
from training.types import Json, Metrics, Progress, TrainingError

OPTIONS = {
    "batch": int,
    "rate": float,
    "zoom": float,
    "checks": int,
    "patience": int,
    "device": str,
    "stages": int,
    "weights": str,
    "weights_sha256": str,
}
"""Fields of `Recipe` that a request may set beyond the defaults."""


def train_objects(run_dir: Path, progress: Progress) -> Metrics:
    """Do the training job of a run folder.

    Reads `request.json` (`classes`, `minutes`, `steps`, `seed`, `threads`, `backbone`, `init`, `options`) and
    `objects.jsonl`; writes `checkpoint/`, then `metrics.json`, each in one step. Run again after a kill it starts over
    from the same data, and a finished job is not done twice. With `steps` it gives the same weights each time; with
    `minutes` alone as good ones, for then the clock decides how many steps there are.

    Args:
        run_dir: folder of the run.
        progress: called with the progress and how long it will take.

    Returns:
        What `metrics.json` holds.

    Raises:
        TrainingError: nothing can be learned from this folder; the message says why and what to do.
    """
    fields = read_json(run_dir / REQUEST)
    fingerprint = _fingerprint(run_dir)
    if (run_dir / METRICS).is_file() and is_detector(run_dir / CHECKPOINT):
        metrics = read_json(run_dir / METRICS)
        if metrics.get("fingerprint") == fingerprint:
            progress(1.0, "already trained")
            return metrics
    classes = fields.get("classes")
    if not isinstance(classes, list) or not classes:
        raise TrainingError("The request has no classes. Correct the project's labeling config, then train again.")
    train, validation, _ = detection_sets(read_object_manifest(run_dir / OBJECTS), tuple(map(str, classes)))
    init = named_in(run_dir, fields.get("init"))
    facts = fit(train, validation, run_dir / CHECKPOINT, _recipe(fields), progress, init=init)
    metrics = {
        "method": "detector",
        "classes": list(train.classes),
        "labels": {"train": _counts(train), "validation": _counts(validation)},
        "masks": train.has_masks,
        "settings": facts,
        "problems": list(train.problems),
        "fingerprint": fingerprint,
    }
    write_json_atomic(run_dir / METRICS, metrics)
    progress(1.0, "trained")
    return metrics


def _recipe(fields: Json) -> Recipe:
    given = fields.get("options") or {}
    try:
        options = {name: kind(given[name]) for name, kind in OPTIONS.items() if given.get(name) is not None}
        return Recipe(
            minutes=float(fields["minutes"]) if fields.get("minutes") else None,
            iterations=int(fields["steps"]) if fields.get("steps") else None,
            seed=int(fields.get("seed", 0)),
            threads=max(1, int(fields.get("threads") or 1)),
            backbone=str(fields.get("backbone") or "lite0"),
            **options,
        )
    except (TypeError, ValueError) as error:
        raise TrainingError(f"{REQUEST} has a value of the wrong kind ({error}); start the run again.") from error


def _counts(data: DetectionSet) -> dict[str, object]:
    return {
        "images": len(data.images),
        "without_objects": sum(not len(image.boxes) for image in data.images),
        "ignored_regions": sum(len(image.ignore) for image in data.images),
        "objects": data.counts(),
    }


def _fingerprint(run_dir: Path) -> str:
    digest = hashlib.sha256()
    for name in (REQUEST, OBJECTS):
        path = run_dir / name
        content = path.read_bytes() if path.is_file() else b""
        digest.update(len(content).to_bytes(8, "big") + content)
    return digest.hexdigest()
