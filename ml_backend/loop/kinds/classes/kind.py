"""The kind of projects that give each image one of several classes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import ClassVar

from ml_backend.duplicates.review import Offer
from ml_backend.label_studio.config import LabelingJob
from ml_backend.labels.project import ProjectLabels
from ml_backend.loop.kinds.base import Drawing, Judged, Prepared
from ml_backend.loop.kinds.classes.judge import judge_classes
from ml_backend.loop.kinds.classes.pool import predict_pool
from ml_backend.loop.kinds.classes.prepare import prepare_classes
from ml_backend.loop.kinds.classes.proposals import ProposedClasses
from ml_backend.ordering.order import OrderRequest, ProjectOrder, order_project
from ml_backend.predictions.classifiers import is_readable
from ml_backend.services import Services
from ml_backend.state.records import RunRow
from training.encoders import Encoder
from training.jobs.classes import train
from training.types import Metrics, Progress


class Classes:
    """One class per image: a head on embeddings, or a network."""

    name: ClassVar[str] = "classes"

    def prepare(
        self, services: Services, run: RunRow, labels: ProjectLabels, encoder: Encoder, before: int | None
    ) -> Prepared:
        """The manifest of the labeled images."""
        return prepare_classes(services, run, labels, encoder, before)

    def train(self, folder: Path, progress: Progress) -> Metrics:
        """A head on stored embeddings, or a network."""
        return train(folder, progress)

    def judge(self, services: Services, run: RunRow, before: int | None) -> Judged:
        """By macro-F1 on the held-out images."""
        return judge_classes(services, run, before)

    def can_read(self, services: Services, run_id: int) -> bool:
        """Whether the classifier of a run can be loaded."""
        return is_readable(services.models, run_id)

    def look(self, services: Services, run: RunRow, model_run: int, labels: ProjectLabels) -> None:
        """Every image, once per model."""
        predict_pool(services, run, model_run)

    def order(self, services: Services, project_id: int, labels: ProjectLabels, request: OrderRequest) -> ProjectOrder:
        """One region per image: the class distribution of the whole."""
        classes = list(request.classes)
        known = {task: classes.index(name) for task, name in labels.labels.items() if name in classes}
        return order_project(services.store, services.files, project_id, replace(request, labels=known))

    def draw(
        self,
        services: Services,
        project_id: int,
        job: LabelingJob,
        model_run: int | None,
        offered: Mapping[int, Offer],
    ) -> Drawing:
        """The most probable class, or the label of a near-duplicate."""
        return ProposedClasses(services, job, model_run, offered)


KIND = Classes()
