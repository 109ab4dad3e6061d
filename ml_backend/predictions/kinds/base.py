"""`Answers`: what a web process does for one kind of project, found by the name of its file."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Protocol

from ml_backend.label_studio.config import LabelingJob
from ml_backend.label_studio.config.family import module_for
from ml_backend.label_studio.regions import Result
from ml_backend.state.models import Models
from ml_backend.state.records import ItemRow, RunRow, Served
from ml_backend.state.store import Store
from strategies.base import FloatArray

Regions = Sequence[Result]


@dataclass(frozen=True)
class Task:
    """A task that a model is asked about.

    Attributes:
        item: the item behind the task, or None when it is not known yet.
        path: the local file of its image, fetched when it is called.
    """

    item: ItemRow | None
    path: Callable[[], Path]


class Embed(Protocol):
    """Embeds an image with the encoder that a run names."""

    def __call__(self, run: RunRow, path: Path) -> FloatArray:
        """`(1, d)` float32, unit length.

        Raises:
            TrainingError: the encoder of that name is another one by now.
        """


class Model(Protocol):
    """A model that is loaded."""

    @property
    def classes(self) -> Sequence[str]:
        """Names of its classes."""

    def answer(self, task: Task) -> object:
        """What it says about a task, which only the kind itself can read.

        Raises:
            PapLoopError, TrainingError, OSError: it can say nothing, for a reason that the message names.
        """


class Drawer(Protocol):
    """Draws answers in one project."""

    def of_answer(self, classes: Sequence[str], answer: object, run: int, item: int) -> Regions:
        """What annotators see of an answer; nothing where a model of another kind gave it.

        Args:
            classes: of the model.
            answer: by `Model.answer`.
            run: whose model it is.
            item: the image.
        """

    def of_row(self, row: Served) -> Regions:
        """What annotators see of a stored answer; nothing where there is none."""


class Answers(Protocol):
    """Loads and draws for one kind of project.

    Attributes:
        has_thresholds: whether single regions are shown or not by their score.
    """

    has_thresholds: ClassVar[bool]

    def load(self, models: Models, run: RunRow, embed: Embed) -> Model:
        """The model that a run trained, for the CPU: a web process never starts CUDA.

        Raises:
            TrainingError: there is none, or it is damaged.
        """

    def drawer(self, store: Store, project_id: int, job: LabelingJob) -> Drawer:
        """What draws in a project; its way of drawing is looked up once."""


def answers_of(name: str) -> Answers:
    """What answers for a kind of project: `ANSWERS` in the file of this package that is called so.

    Raises:
        PapLoopError: there is none.
    """
    answers: Answers = module_for(name, "ml_backend.predictions.kinds.{}").ANSWERS
    return answers
