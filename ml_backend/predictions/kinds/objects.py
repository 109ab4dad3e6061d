"""Objects on an image: what a detector found, drawn as those that are likely enough."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, ClassVar

from ml_backend.errors import PapLoopError
from ml_backend.label_studio.config import LabelingJob
from ml_backend.label_studio.regions.ids import region_id
from ml_backend.predictions.detectors import load_detector
from ml_backend.predictions.kinds.base import Drawer, Embed, Model, Regions, Task
from ml_backend.predictions.packing import Found, unpack
from ml_backend.predictions.rendering import Style, shown, style_of
from ml_backend.state.models import Models
from ml_backend.state.records import RunRow, Served
from ml_backend.state.store import Store

if TYPE_CHECKING:
    from training.detection.detectron2.rcnn import Detector

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Finder:
    """A detector.

    Attributes:
        detector: as it was loaded.
    """

    detector: Detector

    @property
    def classes(self) -> Sequence[str]:
        """Names of what it finds."""
        return self.detector.plan.classes

    def answer(self, task: Task) -> Found:
        """The objects on the task's image."""
        return Found(next(self.detector.predict([task.path()])), tuple(self.classes))


@dataclass(frozen=True)
class ObjectDrawer:
    """Draws the objects whose score is high enough.

    Attributes:
        store: the project's settings, and what was chosen for its models.
        project_id: Label Studio's project id.
        job: what the label config asks.
        styles: run -> how its answers look.
    """

    store: Store
    project_id: int
    job: LabelingJob
    styles: dict[int, Style] = field(default_factory=dict)

    def of_answer(self, classes: Sequence[str], answer: object, run: int, item: int) -> Regions:  # noqa: ARG002
        """The objects that are likely enough; the answer names its classes itself."""
        if not isinstance(answer, Found):
            return []
        if run not in self.styles:
            self.styles[run] = style_of(self.store, self.project_id, run)
        return shown(self.job, answer, self.styles[run], partial(region_id, run, item)).results

    def of_row(self, row: Served) -> Regions:
        """The same for a stored answer; none, and a line in the log, where it is damaged."""
        if row.found is None:
            return []
        try:
            return self.of_answer((), unpack(row.found), row.run_id or 0, row.item_id)
        except PapLoopError as error:
            log.warning("item %d: %s", row.item_id, error)
            return []


class ObjectAnswers:
    """See `ml_backend.predictions.kinds.base.Answers`."""

    has_thresholds: ClassVar[bool] = True

    def load(self, models: Models, run: RunRow, embed: Embed) -> Model:  # noqa: ARG002
        """The detector that a run trained; it needs no embeddings."""
        return Finder(load_detector(models, run.id, device="cpu"))

    def drawer(self, store: Store, project_id: int, job: LabelingJob) -> Drawer:
        """Thresholds and shapes are the project's."""
        return ObjectDrawer(store, project_id, job)


ANSWERS = ObjectAnswers()
