"""The publish step where objects are drawn: look at the pool, rank it, phrase what annotators see."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np

from ml_backend.effort.choosing import renew_thresholds
from ml_backend.label_studio.config import LabelingJob
from ml_backend.label_studio.regions.ids import region_id
from ml_backend.labels.project import ProjectLabels
from ml_backend.ordering.competence import competence_over
from ml_backend.ordering.objects import strategy_for
from ml_backend.ordering.order import candidates
from ml_backend.ordering.strategy_choice import fitting
from ml_backend.predictions.packing import unpack
from ml_backend.predictions.pool import members_for, predict_pool, window_of
from ml_backend.predictions.rendering import shown, style_of
from ml_backend.predictions.thresholds import NOTHING_SHOWN
from ml_backend.progress import reporter
from ml_backend.services import Services
from ml_backend.state.records import RankingEntry, RunRow

READ_AT_ONCE = 64


def look_at_pool(services: Services, run: RunRow, model_run: int, labels: ProjectLabels) -> None:
    """Have the detector look at the images of the window, in as many views as the strategy compares."""
    store = services.store
    settings, _ = fitting(store.projects.settings(run.project_id), labels.job.kind)
    judged = competence_over(store.runs.one(model_run).metrics.get("judgement", {}), labels.job.classes)
    items = candidates(services, run.project_id, str(run.request["encoder"]))
    rng = np.random.default_rng(run.seed + run.id)
    window = window_of(items, labels.touched, settings.window, rng, store.detections.items(model_run))
    strategy, _ = strategy_for(settings, judged, len(labels.job.classes))
    report = reporter(store.runs, services.clock, run, "Looking for objects")
    predict_pool(store, services.models, services.images, model_run, window, members_for(strategy), report)


@dataclass
class Rendered:
    """Pre-annotations as they are made, and a count of how they were drawn.

    Attributes:
        drawn: reason -> number of images.
        regions: how many objects are shown in all.
    """

    drawn: Counter[str] = field(default_factory=Counter)
    regions: int = 0

    def summary(self) -> dict[str, Any]:
        """JSON form, for the run."""
        return {"regions": self.regions, "drawn": dict(self.drawn)}


def pre_annotations(
    services: Services,
    project_id: int,
    job: LabelingJob,
    model_run: int | None,
    entries: Sequence[RankingEntry],
    rendered: Rendered,
) -> Iterator[Sequence[Mapping[str, Any]]]:
    """What is shown for each entry, in order; nothing where no detector has looked at the image."""
    if model_run is not None:
        renew_thresholds(services.store, services.files, project_id, model_run)
    style = style_of(services.store, project_id, model_run)
    nothing = "held back" if style.thresholds == NOTHING_SHOWN else "no object is likely enough"
    for start in range(0, len(entries), READ_AT_ONCE):
        part = entries[start : start + READ_AT_ONCE]
        stored = {} if model_run is None else services.store.detections.of(model_run, [entry.item_id for entry in part])
        for entry in part:
            content = stored.get(entry.item_id)
            if content is None or model_run is None:
                yield []
                continue
            answer = shown(job, unpack(content), style, partial(region_id, model_run, entry.item_id))
            rendered.drawn[answer.reason or nothing] += 1
            rendered.regions += len({result["id"] for result in answer.results})
            yield answer.results
