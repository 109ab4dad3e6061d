"""A run's model and what it says about items, whichever way it was trained."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ml_backend.services import Services
from ml_backend.state.records import ItemRow
from training.jobs import load_model
from training.types import FloatArray, Progress


def predict_items(
    services: Services,
    run_id: int,
    items: Sequence[ItemRow],
    classes: Sequence[str],
    encoder: str,
    progress: Progress | None = None,
) -> FloatArray:
    """Class probabilities `(n, classes)` float32 of items in the order of `classes`.

    Args:
        services: the parts of the process.
        run_id: the run whose checkpoint is asked.
        items: n items.
        classes: the label config's present classes; one the model never saw gets 0.
        encoder: key of the matrix that the items' rows belong to.
        progress: told how far it is, for models that look at pixels.

    Returns:
        A row of NaN where an image cannot be used any more.
    """
    model = load_model(services.files.run_dir(run_id) / "checkpoint")
    if model.needs == "embeddings" and services.store.run(run_id).request.get("encoder") == encoder:
        rows = np.array([item.vector_row for item in items], dtype=np.int64)
        probs = model.predict_embeddings(services.vectors(encoder).rows(rows))
    else:
        probs = model.predict_images([services.image_path(item) for item in items], progress)
    return rename_classes(probs, model.classes, classes)


def rename_classes(probs: FloatArray, have: Sequence[str], want: Sequence[str]) -> FloatArray:
    """Reorder the columns of `probs` `(n, have)` to the classes `want`, rows summing to 1 again."""
    if tuple(have) == tuple(want):
        return probs.astype(np.float32)
    columns = {name: column for column, name in enumerate(have)}
    renamed = np.zeros((len(probs), len(want)), dtype=np.float32)
    for column, name in enumerate(want):
        if name in columns:
            renamed[:, column] = probs[:, columns[name]]
    # A row of NaN says that the image could not be used, and must go on saying so.
    renamed[np.isnan(probs).any(axis=1)] = np.nan
    total = renamed.sum(axis=1, keepdims=True)
    even = np.full_like(renamed, 1 / max(1, len(want)))
    return np.where(total <= 1e-6, even, renamed / np.maximum(total, 1e-6)).astype(np.float32)
