"""Predictions for tasks that no run has predicted yet: model and encoder load on first use and stay loaded."""

from __future__ import annotations

import logging
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np

from ml_backend.errors import NotFound, PapLoopError, Unavailable
from ml_backend.images.files import ImageFiles
from ml_backend.predictions.kinds.base import Model, Task, answers_of
from ml_backend.predictions.unanswered import Note
from ml_backend.settings import Settings
from ml_backend.state.models import Models
from ml_backend.state.records import ItemRow, RunRow
from strategies.base import FloatArray
from training.types import TrainingError

if TYPE_CHECKING:
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
        self._models: OrderedDict[int, Model] = OrderedDict()
        self._encoders: dict[str, Encoder] = {}

    def predict(
        self, run_id: int, wanted: Sequence[Wanted], until: float, note: Note
    ) -> tuple[Sequence[str], dict[int, object]]:
        """Predict what can be predicted in time.

        Args:
            run_id: the run whose model is asked.
            wanted: tasks.
            until: the timer's reading at which the caller needs its answer.
            note: told why tasks get nothing.

        Returns:
            The model's classes, and its answers by place; tasks that failed or came too late are not in it, and `note`
            was told why.
        """
        found: dict[int, object] = {}
        try:
            with self._turn(until):
                model = self._load(run_id)
                self._each(model, wanted, until, found, note)
                return model.classes, found
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
        model: Model,
        wanted: Sequence[Wanted],
        until: float,
        found: dict[int, object],
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
                found[task.place] = model.answer(Task(task.item, partial(self._path, task)))
            except Unavailable as error:
                note("busy", str(error), len(wanted) - number)
                return
            except (PapLoopError, TrainingError, OSError) as error:
                note("image", f"Task {task.task_id}: {error}", 1)
            except Exception:
                log.exception("unexpected error with task %s", task.task_id)
                note("unexpected", f"Task {task.task_id} had an unexpected error. Check the log and report it.", 1)

    def _embed(self, run: RunRow, path: Path) -> FloatArray:
        from training.encoders import load_encoder

        name = run.request.encoder_name or self._settings.encoder
        if name not in self._encoders:
            self._encoders[name] = load_encoder(name, threads=self._places.threads)
        encoder = self._encoders[name]
        if encoder.key != run.request.encoder:
            raise TrainingError(
                f"The model was trained on embeddings of {run.request.encoder}, but {name} is now "
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

    def _load(self, run_id: int) -> Model:
        if run_id in self._models:
            self._models.move_to_end(run_id)
            return self._models[run_id]
        run = self._places.runs.one(run_id)
        model = answers_of(run.request.trains).load(self._places, run, self._embed)
        self._models[run_id] = model
        while len(self._models) > MODELS_KEPT:
            self._models.popitem(last=False)
        return model

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
