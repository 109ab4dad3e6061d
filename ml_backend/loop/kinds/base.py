"""`Kind`: everything in which one kind of project differs from another, and what its methods return."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Protocol

from ml_backend.duplicates.review import Offer
from ml_backend.label_studio.config import LabelingJob
from ml_backend.labels.project import ProjectLabels
from ml_backend.ordering.order import OrderRequest, ProjectOrder
from ml_backend.services import Services
from ml_backend.state.records import RankingEntry, RunRow
from training.encoders import Encoder
from training.types import Metrics, Progress

Regions = Sequence[Mapping[str, Any]]
"""A prediction's `result`, in Label Studio's language."""


@dataclass(frozen=True)
class Prepared:
    """What a training job of this kind uses.

    Attributes:
        labels: labeled images to learn from and to judge on.
        omitted: why labeled tasks were left out, with the number of tasks.
        own: entries of the request that only this kind knows, as JSON.
        nothing: why there is nothing to learn, in words; empty where there is, and the manifest is written then.
    """

    labels: int
    omitted: Mapping[str, int]
    own: Mapping[str, Any]
    nothing: str = ""


@dataclass(frozen=True)
class Judged:
    """Whether a candidate replaces the model that serves.

    Attributes:
        decision: "promoted" or "kept".
        reason: why, in a sentence or two.
        evidence: measurements behind it, as JSON; `curve` among them where earlier models were measured again.
        own: further metrics of the run that only this kind knows.
    """

    decision: str
    reason: str
    evidence: Mapping[str, Any]
    own: Mapping[str, Any] = field(default_factory=dict)


class Drawing(Protocol):
    """Pre-annotations of one order as they are made."""

    @property
    def answered(self) -> Collection[int]:
        """Items that the model has a prediction for, including empty ones."""

    def regions(self, entries: Sequence[RankingEntry]) -> Iterator[Regions]:
        """What annotators see on the image of each entry, one per entry and in order."""

    def told(self) -> Mapping[str, Any]:
        """What the run's metrics record about how they were drawn, as JSON, once all are made."""


class Kind(Protocol):
    """What the loop asks of one kind of project, step by step.

    Attributes:
        name: of its folder, of the labeling jobs that it serves (`LabelingJob.family`), and `task` in the requests of
            its training runs.
    """

    name: ClassVar[str]

    def prepare(
        self, services: Services, run: RunRow, labels: ProjectLabels, encoder: Encoder, before: int | None
    ) -> Prepared:
        """Write the manifest into the run's folder, if there is something to learn.

        Args:
            services: the parts of the process.
            run: the training run.
            labels: confirmed ones.
            encoder: by whose embeddings items are found again.
            before: the run of the serving model, if it is of this kind.
        """

    def train(self, folder: Path, progress: Progress) -> Metrics:
        """Do the training job of a run's folder; returns what it measured. Called again it starts over."""

    def judge(self, services: Services, run: RunRow, before: int | None) -> Judged:
        """Compare the candidate of a run with the serving model on the same held-out images; arguments as `prepare`."""

    def can_read(self, services: Services, run_id: int) -> bool:
        """Whether the model that a run trained can be loaded; if not, the log says why.

        A model that is lost must not stop its successor: whoever needs one asks here first and goes on without it.
        """

    def look(self, services: Services, run: RunRow, model_run: int, labels: ProjectLabels) -> None:
        """Predict the pool with a model and store the predictions; existing ones are skipped.

        Args:
            services: the parts of the process.
            run: the run under way, for its progress.
            model_run: the run whose model is asked.
            labels: confirmed ones.
        """

    def order(self, services: Services, project_id: int, labels: ProjectLabels, request: OrderRequest) -> ProjectOrder:
        """Rank every unlabeled image with the strategy, on the pool as this kind represents it."""

    def draw(
        self,
        services: Services,
        project_id: int,
        job: LabelingJob,
        model_run: int | None,
        offered: Mapping[int, Offer],
    ) -> Drawing:
        """Make pre-annotations from stored predictions, without reading any image.

        Args:
            services: the parts of the process.
            project_id: Label Studio's project id.
            job: what the label config asks.
            model_run: the run whose model predicts, None if there is no model yet.
            offered: item id -> label that its group of near-duplicates agrees on.
        """
