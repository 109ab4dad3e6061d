"""Predictions for tasks that no run has predicted yet: model and encoder load on first use and stay loaded."""

from __future__ import annotations

import logging
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from ml_backend.errors import NotFound, PapLoopError, Unavailable
from ml_backend.images.files import ImageFiles
from ml_backend.predictions.unanswered import Note
from ml_backend.settings import Settings
from ml_backend.state.models import Models
from ml_backend.state.records import ItemRow
from ml_backend.state.vectors import Vectors
from strategies.base import FloatArray
from training.jobs.classes import CHECKPOINT
from training.types import TrainingError

if TYPE_CHECKING:
    from ml_backend.predictions.packing import Found
    from training.encoders import Encoder


log = logging.getLogger(__name__)

MODELS_KEPT: Final = 2
"""The active model, and the one before it for requests that came in during the switch."""


@dataclass(frozen=True)
class Wanted:
    """A task to predict.

    Attributes:
        place: its place in the request.
        task_id: Label Studio's id, or None.
        item: the item behind the task, or None when it is not known yet.
        image: the image address in the task's data.
    """

    place: int
    task_id: int | None
    item: ItemRow | None
    image: str


@dataclass(frozen=True)
class _Loaded:
    model: Any
    encoder_key: str
    encoder_name: str
    classes: Sequence[str]
    is_detector: bool


class FirstUse:
    """Predicts single tasks inside the web process; one thread computes at a time, the others wait for it.

    Args:
        models: loads models on first use.
        images: local files of tasks and items.
        settings: how many requests may wait, the largest image, and the encoder of runs that name none.
        timer: monotonic seconds.
    """

    def __init__(
        self, models: Models, images: ImageFiles, settings: Settings, timer: Callable[[], float] = time.monotonic
    ) -> None:
        self._places = models
        self._images = images
        self._settings = settings
        self._timer = timer
        self._lock = threading.Lock()
        # Waiting for a model must leave threads for webhooks and stored predictions.
        self._seats = threading.BoundedSemaphore(max(1, settings.web_threads // 2))
        self._models: OrderedDict[int, _Loaded] = OrderedDict()
        self._encoders: dict[str, Encoder] = {}

    def predict(
        self, run_id: int, wanted: Sequence[Wanted], until: float, note: Note
    ) -> tuple[Sequence[str], dict[int, FloatArray | Found]]:
        """Predict what can be predicted in time.

        Args:
            run_id: the run whose model is asked.
            wanted: tasks.
            until: the timer's reading at which the caller needs its answer.
            note: told why tasks get nothing.

        Returns:
            The model's classes, and by place `(classes,)` float32 or what a detector found; tasks that failed or came
            too late are not in it, and `note` was told why.
        """
        found: dict[int, FloatArray | Found] = {}
        try:
            with self._turn(until):
                loaded = self._load(run_id)
                self._each(loaded, wanted, until, found, note)
                return loaded.classes, found
        except Unavailable as error:
            note("busy", str(error), len(wanted) - len(found))
        except (PapLoopError, TrainingError, OSError) as error:
            note("model", str(error), len(wanted) - len(found))
        except Exception:
            log.exception("unexpected error in run %d", run_id)
            note("unexpected", f"Run {run_id} had an unexpected error. Check the log and report it.", len(wanted))
        return (), {}

    def _each(
        self,
        loaded: _Loaded,
        wanted: Sequence[Wanted],
        until: float,
        found: dict[int, FloatArray | Found],
        note: Note,
    ) -> None:
        for number, task in enumerate(wanted):
            if self._timer() >= until:
                note(
                    "time",
                    "The time limit was reached before these tasks were predicted. Label Studio will request "
                    "them again.",
                    len(wanted) - number,
                )
                return
            try:
                found[task.place] = self._look(loaded, task) if loaded.is_detector else self._probs(loaded, task)
            except Unavailable as error:
                note("busy", str(error), len(wanted) - number)
                return
            except (PapLoopError, TrainingError, OSError) as error:
                note("image", f"Task {task.task_id}: {error}", 1)
            except Exception:
                log.exception("unexpected error with task %s", task.task_id)
                note("unexpected", f"Task {task.task_id} had an unexpected error. Check the log and report it.", 1)

    def _look(self, loaded: _Loaded, task: Wanted) -> Found:
        from ml_backend.predictions.packing import Found

        return Found(next(loaded.model.predict([self._path(task)])), tuple(loaded.classes))

    def _probs(self, loaded: _Loaded, task: Wanted) -> FloatArray:
        probs = np.asarray(self._one(loaded, task), dtype=np.float32)
        if not np.isfinite(probs).all():
            raise TrainingError("The model returned a value that is not finite. Train it again.")
        return probs

    def _one(self, loaded: _Loaded, task: Wanted) -> FloatArray:
        model = loaded.model
        if model.needs != "embeddings":
            probs: FloatArray = model.predict_images([self._path(task)])
            first: FloatArray = probs[0]
            return first
        item = task.item
        if item is not None and item.vector_row is not None and item.encoder == loaded.encoder_key:
            vectors = Vectors.of(self._places.files, loaded.encoder_key).rows(np.array([item.vector_row]))
        else:
            vectors = self._embed(loaded, self._path(task))
        answer: FloatArray = model.predict_embeddings(np.asarray(vectors, dtype=np.float32))[0]
        return answer

    def _embed(self, loaded: _Loaded, path: Path) -> FloatArray:
        from training.encoders import load_encoder

        name = loaded.encoder_name
        if name not in self._encoders:
            self._encoders[name] = load_encoder(name, threads=self._places.threads)
        encoder = self._encoders[name]
        if encoder.key != loaded.encoder_key:
            raise TrainingError(
                f"The model was trained on embeddings of {loaded.encoder_key}, but {name} is now "
                f"{encoder.key}. Train again."
            )
        prepared = encoder.prepare(path, max_pixels=self._settings.max_image_pixels)
        return encoder.embed_prepared(np.stack([prepared.pixels]))

    def _path(self, task: Wanted) -> Path:
        if task.item is not None:
            return self._images.of(task.item)
        if not task.image:
            raise NotFound(
                "its data has no image under the key in the labeling config; check the task's data.",
                code="image.none_in_task",
            )
        return self._images.local_path(task.image, task_id=task.task_id)

    def _load(self, run_id: int) -> _Loaded:
        if run_id in self._models:
            self._models.move_to_end(run_id)
            return self._models[run_id]
        from ml_backend.predictions.detectors import finds_objects, load_detector
        from training.jobs.classes import load_model

        run = self._places.runs.one(run_id)
        is_detector = finds_objects(run)
        model: Any = (
            load_detector(self._places, run_id, device="cpu")
            if is_detector
            else load_model(self._places.files.run_dir(run_id) / CHECKPOINT, threads=self._places.threads)
        )
        name = str(run.request.get("encoder_name") or self._settings.encoder)
        classes = model.plan.classes if is_detector else model.classes
        loaded = _Loaded(model, str(run.request.get("encoder") or ""), name, classes, is_detector)
        self._models[run_id] = loaded
        while len(self._models) > MODELS_KEPT:
            self._models.popitem(last=False)
        return loaded

    @contextmanager
    def _turn(self, until: float) -> Iterator[None]:
        busy = "other requests are still being computed; open the task again in a moment."
        if not self._seats.acquire(blocking=False):
            raise Unavailable(busy, code="model.busy")
        try:
            if not self._lock.acquire(timeout=max(0.0, until - self._timer())):
                raise Unavailable(busy, code="model.busy")
            try:
                yield
            finally:
                self._lock.release()
        finally:
            self._seats.release()
