"""Detectors for smart tools: loaded in the background, so that the editor never waits for torch to start."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from ml_backend.predictions.detectors import load_detector
from ml_backend.state.models import Models
from training.files import CHECKPOINT, PLAN
from training.types import TrainingError

if TYPE_CHECKING:
    from training.detection.detectron2.rcnn import Detector

log = logging.getLogger(__name__)

RETRY: Final = 60.0
"""Seconds until a detector that could not be loaded is tried again."""


class Detectors:
    """The detector of the newest run asked for, and one load at a time.

    Args:
        models: knows where the detectors lie.
        timer: monotonic seconds.
    """

    def __init__(self, models: Models, timer: Callable[[], float] = time.monotonic) -> None:
        self._models = models
        self._timer = timer
        self._change = threading.Condition()
        self._ready: tuple[int, Detector] | None = None
        self._loading: int | None = None
        self._failed: dict[int, float] = {}

    def of_run(self, run_id: int | None, patience: float) -> Detector | None:
        """A run's detector if it is loaded within `patience` seconds; None otherwise, and loading goes on.

        Args:
            run_id: the run, or None.
            patience: seconds.
        """
        if run_id is None or not (self._models.files.run_dir(run_id) / CHECKPOINT / PLAN).is_file():
            return None
        with self._change:
            if self._is_new(run_id):
                self._loading = run_id
                threading.Thread(target=self._load, args=(run_id,), name="smart-detector", daemon=True).start()
            self._change.wait_for(lambda: self._loading is None, timeout=patience)
            return self._ready[1] if self._ready is not None and self._ready[0] == run_id else None

    def _is_new(self, run_id: int) -> bool:
        if self._loading is not None or (self._ready is not None and self._ready[0] == run_id):
            return False
        return self._timer() >= self._failed.get(run_id, -RETRY) + RETRY

    def _load(self, run_id: int) -> None:
        found: Detector | None = None
        try:
            found = load_detector(self._models, run_id, device="cpu")
            found.warm_up()
        except (TrainingError, OSError) as error:
            log.warning("smart tools continue without the detector of run %d: %s", run_id, error)
        except Exception:
            log.exception("smart tools continue without the detector of run %d: unexpected error", run_id)
        with self._change:
            if found is None:
                self._failed[run_id] = self._timer()
            else:
                self._ready = run_id, found
            self._loading = None
            self._change.notify_all()
