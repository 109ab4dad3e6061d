"""The experts: they request the next task as the label stream does, and label it."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np

from ml_backend.errors import BadRequest, LabelStudioUnavailable
from ml_backend.experiments.simulate.oracle import Oracle, mistaken
from ml_backend.label_studio.bodies.annotations import results_in
from ml_backend.label_studio.client import LabelStudio
from ml_backend.label_studio.client.wire import Json
from ml_backend.label_studio.config import LabelingJob, parse_label_config
from ml_backend.label_studio.regions import Result
from ml_backend.label_studio.regions.choices import choice_result, label_of

ATTEMPTS = 6


@dataclass(frozen=True)
class Manner:
    """How an expert works.

    Attributes:
        error_rate: fraction of labels that are wrong, in [0, 1].
        think_seconds: time before each label, s.
        seed: of the errors.
    """

    error_rate: float = 0.0
    think_seconds: float = 0.0
    seed: int = 0


@dataclass
class Tally:
    """What an expert has done.

    Attributes:
        tasks: task ids in the order they were handed out.
        shown: how many of them came with a pre-annotation; how many objects were proposed where objects are drawn.
        agreed: how many of those were right.
        skipped: tasks whose truth is not known.
        objects: how many objects were drawn.
    """

    tasks: list[int] = field(default_factory=list)
    shown: int = 0
    agreed: int = 0
    skipped: int = 0
    objects: int = 0


class Annotator(ABC):
    """One annotator of one project.

    Args:
        client: of Label Studio; its token says who the annotator is.
        project_id: Label Studio's project id.
        classes: that the annotator will use.
        manner: how the expert works.

    Raises:
        BadRequest: the project lacks one of the classes.
    """

    def __init__(self, client: LabelStudio, project_id: int, classes: Sequence[str], manner: Manner) -> None:
        self.client = client
        self.project_id = project_id
        self.manner = manner
        self.rng = np.random.default_rng(manner.seed)
        self.tally = Tally()
        self.job: LabelingJob = parse_label_config(str(self.client.project(project_id).get("label_config") or ""))
        unknown = set(classes) - set(self.job.classes)
        if unknown:
            raise BadRequest(
                f"The true labels have classes that the project does not have: {', '.join(sorted(unknown))}. "
                "Add them to the labeling interface or rename the folders."
            )

    def label(self, count: int, done: Callable[[int], None]) -> int:
        """Label up to `count` tasks; fewer if Label Studio has no more.

        Args:
            count: labels to give.
            done: called after each with the number given so far in this call.

        Returns:
            How many labels were given.
        """
        given = 0
        while given < count:
            task = self.client.next_task(self.project_id)
            if task is None:
                break
            if self.answer(task):
                given += 1
                done(given)
        return given

    @abstractmethod
    def answer(self, task: Json) -> bool:
        """Submit the true label of a task, or skip it and return False if it is unknown."""

    def _submit(
        self,
        task_id: int,
        result: list[Result],
        lead_time: float,
        *,
        was_cancelled: bool = False,
        parent_prediction: int | None = None,
    ) -> None:
        """Hand in an answer as a patient person does: when it fails, look whether it arrived, and try again."""
        for attempt in range(ATTEMPTS):
            try:
                if attempt and self.client.task_annotations(task_id):
                    return
                self.client.create_annotation(task_id, result, lead_time, was_cancelled, parent_prediction)
                return
            except LabelStudioUnavailable:
                if attempt == ATTEMPTS - 1:
                    raise
                time.sleep(2.0**attempt)


class Expert(Annotator):
    """An annotator who classifies whole images.

    Args:
        client: of Label Studio.
        project_id: Label Studio's project id.
        oracle: knows the truth.
        manner: how the expert works.
    """

    def __init__(self, client: LabelStudio, project_id: int, oracle: Oracle, manner: Manner) -> None:
        super().__init__(client, project_id, oracle.classes(), manner)
        self.oracle = oracle

    def answer(self, task: Json) -> bool:
        """Submit the true label of a task, or skip it when the truth is not known."""
        started = time.monotonic()
        if self.manner.think_seconds:
            time.sleep(self.manner.think_seconds)
        task_id = int(task["id"])
        data = task.get("data", {})
        truth = self.oracle.label_of(str(data.get("name") or data.get(self.job.data_key, "")))
        if truth is None:
            self._submit(task_id, [], time.monotonic() - started, was_cancelled=True)
            self.tally.skipped += 1
            return False
        parent = self._look(task, truth)
        label = mistaken(truth, self.job.classes, self.manner.error_rate, self.rng)
        result = choice_result(self.job, label, None, f"expert-{task_id}")
        self._submit(task_id, result, time.monotonic() - started, parent_prediction=parent)
        self.tally.tasks.append(task_id)
        return True

    def _look(self, task: Json, truth: str) -> int | None:
        """Compare the pre-annotation with the truth; returns the prediction's id where there was one."""
        predictions = task.get("predictions") or []
        for prediction in predictions:
            shown = label_of(results_in(prediction), self.job)
            if shown is not None:
                self.tally.shown += 1
                self.tally.agreed += shown == truth
                return int(prediction["id"])
        return None
