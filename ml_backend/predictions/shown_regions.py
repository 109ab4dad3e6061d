"""A model's prediction for a task -> the regions that an annotator sees, for every kind of project."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING

from ml_backend.errors import PapLoopError
from ml_backend.label_studio.config import LabelingJob
from ml_backend.label_studio.regions import Result
from ml_backend.label_studio.regions.choices import choice_result
from ml_backend.label_studio.regions.ids import region_id
from ml_backend.state.class_probs import likeliest
from ml_backend.state.store import Store
from strategies.base import FloatArray

if TYPE_CHECKING:
    from ml_backend.predictions.packing import Found
    from ml_backend.predictions.rendering import Style

log = logging.getLogger(__name__)

Regions = Sequence[Result]


class ShownRegions:
    """Draws for one request; the project's way of drawing is looked up once.

    Args:
        store: the project's settings, and what was chosen for its models.
        project_id: Label Studio's project id.
        job: what the label config asks.
    """

    def __init__(self, store: Store, project_id: int, job: LabelingJob) -> None:
        self._store = store
        self._project_id = project_id
        self._job = job
        self._styles: dict[int, Style] = {}

    def of_probs(self, classes: Sequence[str], probs: FloatArray | None, run: int, item: int) -> Regions:
        """The model's most probable class; none when nothing is known, or the label config has that class no more.

        Args:
            classes: names of the columns of `probs`.
            probs: `(classes,)` float32 or None.
            run: whose model said so.
            item: the image.
        """
        job = self._job
        answer = None if job.finds_objects or probs is None else likeliest(classes, probs, job.classes)
        return [] if answer is None else choice_result(job, *answer, region_id(run, item))

    def of_found(self, found: Found, run: int, item: int) -> Regions:
        """The objects that are likely enough."""
        if not self._job.finds_objects:
            return []
        # Imported late: OpenCV has no place in a web process where nobody draws objects.
        from ml_backend.predictions.rendering import shown

        return shown(self._job, found, self._style(run), partial(region_id, run, item)).results

    def of_stored(self, content: bytes, run: int, item: int) -> Regions:
        """The objects in a stored prediction; none, and a line in the log, if it is damaged."""
        from ml_backend.predictions.packing import unpack

        try:
            return self.of_found(unpack(content), run, item)
        except PapLoopError as error:
            log.warning("item %d: %s", item, error)
            return []

    def _style(self, run: int) -> Style:
        from ml_backend.predictions.rendering import style_of

        if run not in self._styles:
            self._styles[run] = style_of(self._store, self._project_id, run)
        return self._styles[run]
