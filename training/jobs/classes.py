"""Train and load models: files in, files out. A killed job is simply run again."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np

from training.classification.base import Classifier, method_module
from training.classification.readable import drop_unreadable
from training.classification.request import Request, read_request
from training.classification.vectors import sample_vectors
from training.evaluation.calibration import Calibration, calibrate, cross_fitted
from training.evaluation.classification import ClassScores, evaluate
from training.files import CHECKPOINT, METRICS, MODEL_FILE, read_json, replaced_folder, write_json_atomic
from training.types import FloatArray, Metrics, Progress, Sample, TrainingError


def train(run_dir: Path, progress: Progress) -> Metrics:
    """Do the training job of a run folder.

    Reads `request.json` and `manifest.jsonl`; writes `checkpoint/`, then `metrics.json`, each in one step. Run again
    after a kill it gives the same result, and a finished job is not done twice.

    Args:
        run_dir: folder of the run.
        progress: called with the progress.

    Returns:
        What `metrics.json` holds.

    Raises:
        TrainingError: nothing can be learned from this folder; the message says why and what to do.
    """
    request = read_request(run_dir)
    done = _finished(request)
    if done is not None:
        progress(1.0, "already trained")
        return done
    module = method_module(request.method)
    request, unreadable = drop_unreadable(request, module.NEEDS)
    model: Classifier = module.fit(request, lambda fraction, message: progress(0.9 * fraction, message))
    progress(0.9, "calibrating")
    measured, calibration = _calibrate(model, request)
    with replaced_folder(run_dir / CHECKPOINT) as folder:
        model.save(folder)
    metrics = _metrics(request, model, measured, calibration, unreadable)
    write_json_atomic(run_dir / METRICS, metrics)
    progress(1.0, "trained")
    return metrics


def load_model(checkpoint: Path, *, threads: int = 1) -> Classifier:
    """The model that `train` wrote.

    Args:
        checkpoint: its folder.
        threads: CPU threads with which it looks at images, for the whole process.

    Raises:
        TrainingError: the checkpoint is missing or damaged.
    """
    if not (checkpoint / MODEL_FILE).is_file():
        raise TrainingError(f"There is no model in {checkpoint}; roll back to another run or train again.")
    kind = str(read_json(checkpoint / MODEL_FILE).get("kind"))
    model: Classifier = method_module(kind).load(checkpoint)
    model.threads = threads
    return model


def _finished(request: Request) -> Metrics | None:
    if not (request.run_dir / METRICS).is_file() or not (request.run_dir / CHECKPOINT / MODEL_FILE).is_file():
        return None
    metrics = read_json(request.run_dir / METRICS)
    return metrics if metrics.get("fingerprint") == request.fingerprint else None


def _calibrate(model: Classifier, request: Request) -> tuple[ClassScores | None, Calibration]:
    """Set the model's temperature from the validation samples; their measurements, each at that of the others."""
    held_out = request.part("validation")
    truth = np.array(request.targets(held_out), dtype=np.int64)
    groups = np.unique([sample.group for sample in held_out], return_inverse=True)[1].astype(np.int64)
    probs = _predict(model, request, held_out)
    calibration = calibrate(probs, truth, seed=request.seed, groups=groups)
    model.temperature = calibration.temperature
    judged = cross_fitted(probs, truth, seed=request.seed, groups=groups)
    measured = evaluate(truth, judged, request.classes) if held_out else None
    return measured, calibration


def _predict(model: Classifier, request: Request, samples: list[Sample]) -> FloatArray:
    if not samples:
        return np.zeros((0, len(request.classes)), dtype=np.float32)
    if model.needs == "embeddings":
        return model.predict_embeddings(sample_vectors(request, samples))
    return model.predict_images([sample.path for sample in samples])


def _metrics(
    request: Request,
    model: Classifier,
    measured: ClassScores | None,
    calibration: Calibration,
    unreadable: dict[str, str],
) -> Metrics:
    counts = {split: Counter(str(s.label) for s in request.part(split)) for split in ("train", "validation")}
    return {
        "method": request.method,
        "classes": list(request.classes),
        "labels": {split: {name: counts[split].get(name, 0) for name in request.classes} for split in counts},
        "ignored": dict(request.ignored),
        "unreadable": unreadable,
        "settings": model.describe(),
        "calibration": calibration.as_dict(),
        "validation": measured,
        "fingerprint": request.fingerprint,
    }
