"""A class of the whole image: `(classes,)` probabilities, drawn as the likeliest choice."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from ml_backend.label_studio.config import LabelingJob
from ml_backend.label_studio.regions.choices import choice_result
from ml_backend.label_studio.regions.ids import region_id
from ml_backend.predictions.kinds.base import Drawer, Embed, Model, Regions, Task
from ml_backend.state.class_probs import likeliest
from ml_backend.state.models import Models
from ml_backend.state.records import RunRow, Served
from ml_backend.state.store import Store
from ml_backend.state.vectors import Vectors
from strategies.base import FloatArray
from training.files import CHECKPOINT
from training.jobs.classes import load_model
from training.types import TrainingError


@dataclass(frozen=True)
class Classifier:
    """A head on embeddings, or a network.

    Attributes:
        model: as `training.jobs.classes.load_model` returns it.
        models: knows where embeddings lie.
        run: what trained it.
        embed: for images that have no embedding of the run's encoder.
    """

    model: Any
    models: Models
    run: RunRow
    embed: Embed

    @property
    def classes(self) -> Sequence[str]:
        """Names of the columns of an answer."""
        names: Sequence[str] = self.model.classes
        return names

    def answer(self, task: Task) -> FloatArray:
        """`(classes,)` float32 probabilities."""
        probs = np.asarray(self._probs(task), dtype=np.float32)
        if not np.isfinite(probs).all():
            raise TrainingError("The model returned a value that is not finite. Train it again.")
        return probs

    def _probs(self, task: Task) -> FloatArray:
        if self.model.needs != "embeddings":
            seen: FloatArray = self.model.predict_images([task.path()])
            return np.asarray(seen[0])
        item, encoder = task.item, self.run.request.encoder
        if item is not None and item.vector_row is not None and item.encoder == encoder:
            vectors = Vectors.of(self.models.files, encoder).rows(np.array([item.vector_row]))
        else:
            vectors = self.embed(self.run, task.path())
        answers: FloatArray = self.model.predict_embeddings(np.asarray(vectors, dtype=np.float32))
        return np.asarray(answers[0])


@dataclass(frozen=True)
class ChoiceDrawer:
    """Draws one choice, or none.

    Attributes:
        job: what the label config asks.
    """

    job: LabelingJob

    def of_answer(self, classes: Sequence[str], answer: object, run: int, item: int) -> Regions:
        """The most probable class; none when nothing is known, or the label config has that class no more."""
        best = likeliest(classes, answer, self.job.classes) if isinstance(answer, np.ndarray) else None
        return [] if best is None else choice_result(self.job, *best, region_id(run, item))

    def of_row(self, row: Served) -> Regions:
        """The same for a stored answer."""
        return self.of_answer(row.classes, row.probs, row.run_id or 0, row.item_id)


class ClassAnswers:
    """See `ml_backend.predictions.kinds.base.Answers`."""

    has_thresholds: ClassVar[bool] = False

    def load(self, models: Models, run: RunRow, embed: Embed) -> Model:
        """The classifier that a run trained."""
        model = load_model(models.files.run_dir(run.id) / CHECKPOINT, threads=models.threads)
        return Classifier(model, models, run, embed)

    def drawer(self, store: Store, project_id: int, job: LabelingJob) -> Drawer:  # noqa: ARG002
        """A choice is drawn alike in every project."""
        return ChoiceDrawer(job)


ANSWERS = ClassAnswers()
