"""The kind of projects in which objects are drawn: boxes, or outlines."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import ClassVar

from ml_backend.duplicates.review import Offer
from ml_backend.label_studio.config import LabelingJob
from ml_backend.labels.project import ProjectLabels
from ml_backend.loop.kinds.base import Drawing, Judged, Prepared
from ml_backend.loop.kinds.objects.judge import judge_objects
from ml_backend.loop.kinds.objects.pool import look_at_pool
from ml_backend.loop.kinds.objects.prepare import prepare_objects
from ml_backend.loop.kinds.objects.proposals import ProposedObjects
from ml_backend.ordering.objects import order_objects
from ml_backend.ordering.order import OrderRequest, ProjectOrder
from ml_backend.predictions.detectors import is_whole
from ml_backend.services import Services
from ml_backend.state.records import RunRow
from training.encoders import Encoder
from training.types import Metrics, Progress


class Objects:
    """Objects on an image: a detector that boxes or outlines them."""

    name: ClassVar[str] = "objects"

    def prepare(
        self, services: Services, run: RunRow, labels: ProjectLabels, encoder: Encoder, before: int | None
    ) -> Prepared:
        """The manifest of the images that were searched, with their objects."""
        return prepare_objects(services, run, labels, before)

    def train(self, folder: Path, progress: Progress) -> Metrics:
        """A detector."""
        # Imported late: the web process asks for runs without torch.
        from training.jobs.objects import train_objects

        return train_objects(folder, progress)

    def judge(self, services: Services, run: RunRow, before: int | None) -> Judged:
        """By AP50 on the held-out images."""
        return judge_objects(services, run, before)

    def can_read(self, services: Services, run_id: int) -> bool:
        """Whether the detector of a run can be loaded."""
        return is_whole(services.models, run_id)

    def look(self, services: Services, run: RunRow, model_run: int, labels: ProjectLabels) -> None:
        """The images of the window: a detector takes up to a second for each."""
        look_at_pool(services, run, model_run, labels)

    def order(self, services: Services, project_id: int, labels: ProjectLabels, request: OrderRequest) -> ProjectOrder:
        """One region per object; the last class of each is the background."""
        return order_objects(services.store, services.files, project_id, replace(request, objects=labels.by_class()))

    def draw(
        self,
        services: Services,
        project_id: int,
        job: LabelingJob,
        model_run: int | None,
        offered: Mapping[int, Offer],
    ) -> Drawing:
        """The objects above their thresholds; a copy's objects are elsewhere, so near-duplicates propose none."""
        return ProposedObjects(services, project_id, job, model_run)


KIND = Objects()
