"""Predicts the images of the window with a detector, in as many views as the strategy compares."""

from __future__ import annotations

import numpy as np

from ml_backend.labels.project import ProjectLabels
from ml_backend.ordering.competence import competence_over
from ml_backend.ordering.objects import strategy_for
from ml_backend.ordering.order import candidates
from ml_backend.ordering.strategy_choice import fitting
from ml_backend.predictions.pool import members_for, predict_pool, window_of
from ml_backend.progress import reporter
from ml_backend.services import Services
from ml_backend.state.records import RunRow


def look_at_pool(services: Services, run: RunRow, model_run: int, labels: ProjectLabels) -> None:
    """See `ml_backend.loop.kinds.base.Kind.look`."""
    store = services.store
    settings, _ = fitting(store.projects.settings(run.project_id), labels.job.kind)
    judged = competence_over(store.runs.one(model_run).metrics.judgement, labels.job.classes)
    items = candidates(services.store.items, run.project_id, run.request.encoder)
    rng = np.random.default_rng(run.seed + run.id)
    window = window_of(items, labels.touched, settings.window, rng, store.detections.items(model_run))
    strategy, _ = strategy_for(settings, judged, len(labels.job.classes))
    report = reporter(store.runs, services.clock, run, "Detecting objects")
    predict_pool(store, services.models, services.images, model_run, window, members_for(strategy), report)
