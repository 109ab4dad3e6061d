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
    encoder: str,
    progress: Progress | None = None,
) -> tuple[FloatArray, tuple[str, ...]]:
    """Class probabilities of items, with the names of the model's own classes.

    Args:
        services: the parts of the process.
        run_id: the run whose checkpoint is asked.
        items: n items.
        encoder: key of the matrix that the items' rows belong to.
        progress: told how far it is, for models that look at pixels.

    Returns:
        `(n, classes)` float32, a row of NaN where an image cannot be used any more; and the names of the columns.
    """
    model = load_model(services.files.run_dir(run_id) / "checkpoint")
    if model.needs == "embeddings" and services.store.run(run_id).request.get("encoder") == encoder:
        rows = np.array([item.vector_row for item in items], dtype=np.int64)
        probs = model.predict_embeddings(services.vectors(encoder).rows(rows))
    else:
        probs = model.predict_images([services.image_path(item) for item in items], progress)
    return np.asarray(probs, dtype=np.float32), tuple(model.classes)
