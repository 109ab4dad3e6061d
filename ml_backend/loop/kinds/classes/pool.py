"""A classifier predicts the whole pool, once per model."""

from __future__ import annotations

import numpy as np

from ml_backend.images.items import LOST
from ml_backend.predictions.classifiers import predict_items
from ml_backend.progress import reporter
from ml_backend.services import Services
from ml_backend.state.records import ItemChange, RunRow


def predict_pool(services: Services, run: RunRow, model_run: int) -> None:
    """Store class probabilities of every item that can be ranked; arguments as `Kind.look`.

    An image that cannot be read any more becomes `unreadable`.
    """
    encoder = run.request.encoder
    ready = services.store.items.all(run.project_id, states=("ready",))
    items = [item for item in ready if item.task_id is not None and item.encoder == encoder]
    known = services.store.answers.items(model_run)
    if model_run != run.id and all(item.id in known for item in items):
        return
    progress = reporter(services.store.runs, services.clock, run, "Predicting the pool")
    probs, classes = predict_items(services.models, services.images, model_run, items, encoder, progress)
    usable = np.asarray(np.isfinite(probs).all(axis=1))
    lost: list[ItemChange] = [
        {"id": i.id, "state": "unreadable", "reason": LOST}
        for i, ok in zip(items, usable.tolist(), strict=True)
        if not ok
    ]
    if lost:
        services.store.items.update(lost)
    ids = np.array([item.id for item in items], dtype=np.int64)
    services.store.answers.save(model_run, ids[usable], probs[usable], classes)
