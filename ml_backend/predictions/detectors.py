"""A run's detector and its predictions for images."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeVar

import numpy as np

from ml_backend.predictions.packing import Found
from ml_backend.state.class_probs import columns_by_name
from ml_backend.state.models import Models
from training.data.images import ImageDecodeError
from training.evaluation.promotion import NONE_BEFORE
from training.files import CHECKPOINT
from training.types import Detections, TrainingError

if TYPE_CHECKING:
    from training.detection.detectron2.rcnn import Detector

log = logging.getLogger(__name__)

Answer = TypeVar("Answer")

GONE: Final = "the model of run {} can no longer be read and counts as absent"
"""Why there is nothing to compare with, for the sentence of a decision."""


def asked(before: int | None, ask: Callable[[int], Answer]) -> tuple[Answer | None, str]:
    """The serving model's predictions, or None and why there is nothing to compare with.

    Args:
        before: the run of the serving model, None where there is none.
        ask: looks with that model; where it cannot be read any more, it counts as absent.
    """
    if before is None:
        return None, NONE_BEFORE
    try:
        return ask(before), NONE_BEFORE
    except TrainingError as error:
        log.warning("the model of run %d counts as absent: %s", before, error)
        return None, GONE.format(before)


def detector_of(models: Models, run_id: int | None) -> Path | None:
    """The checkpoint of a run's detector; None without a run, or if its folder is lost."""
    if run_id is None:
        return None
    checkpoint = models.files.run_dir(run_id) / CHECKPOINT
    return checkpoint if checkpoint.is_dir() else None


def load_detector(models: Models, run_id: int, *, device: str = "auto") -> Detector:
    """The detector that a run trained.

    Args:
        models: knows where the detectors lie.
        run_id: the run.
        device: where it looks at images; a web process says "cpu", for CUDA starts in workers only.

    Raises:
        TrainingError: there is none, or it is damaged.
    """
    from training.detection.detectron2.rcnn import Detector

    return Detector.load(models.files.run_dir(run_id) / CHECKPOINT, device=device, threads=models.threads)


def is_whole(models: Models, run_id: int) -> bool:
    """Whether a run's detector can be loaded; where it cannot, the log says why and it counts as absent."""
    try:
        # Only looked at, so not where the next one needs the room.
        load_detector(models, run_id, device="cpu")
    except TrainingError as error:
        log.warning("the model of run %d counts as absent: %s", run_id, error)
        return False
    return True


def look_at(detector: Detector, paths: Iterable[Path | None], *, members: int = 1) -> Iterator[Found | None]:
    """A detector's predictions, one per path and in order; None where an image can no longer be fetched or read."""
    for path in paths:
        try:
            found = None if path is None else next(detector.predict([path], members=members))
        except ImageDecodeError:
            found = None
        yield None if found is None else Found(found, tuple(detector.plan.classes))


def renamed(found: Found, classes: Sequence[str]) -> Detections:
    """The same prediction over other classes: columns move by name, a class that the detector lacks gets 0.

    What it gave to a class that is gone counts as background: nothing that anybody asks for now.
    """
    answer = found.detections
    if tuple(found.classes) == tuple(classes):
        return answer
    known = columns_by_name(answer.probs, found.classes, classes)
    background = np.clip(1 - known.sum(axis=2, keepdims=True), 0, 1)
    return replace(answer, probs=np.concatenate([known, background], axis=2))
