"""A run's model and its predictions for items, whatever its training method."""

from __future__ import annotations

import logging
from collections.abc import Sequence

import numpy as np

from ml_backend.images.files import ImageFiles
from ml_backend.state.models import Models
from ml_backend.state.records import ItemRow
from ml_backend.state.vectors import Vectors
from training.files import CHECKPOINT
from training.jobs.classes import load_model
from training.types import FloatArray, Progress, TrainingError

log = logging.getLogger(__name__)


def is_readable(models: Models, run_id: int) -> bool:
    """Whether a run's classifier can be loaded; where it cannot, the log says why.

    A model that is lost must not stop its successor: whoever needs a model asks here first and goes on without it.
    """
    try:
        load_model(models.files.run_dir(run_id) / CHECKPOINT)
    except TrainingError as error:
        log.warning("the model of run %d counts as absent: %s", run_id, error)
        return False
    return True


def predict_items(
    models: Models,
    images: ImageFiles,
    run_id: int,
    items: Sequence[ItemRow],
    encoder: str,
    progress: Progress | None = None,
    *,
    raw: bool = False,
) -> tuple[FloatArray, tuple[str, ...]]:
    """Class probabilities of items, with the names of the model's own classes.

    Args:
        models: loads the model.
        images: local files of items, for models that look at pixels.
        run_id: the run whose checkpoint is asked.
        items: n items.
        encoder: key of the matrix that the items' rows belong to.
        progress: called with the progress, for models that look at pixels.
        raw: at temperature 1, as a judge needs them that fits temperatures himself.

    Returns:
        `(n, classes)` float32, a row of NaN where an image cannot be used any more; and the names of the columns.
    """
    model = load_model(models.files.run_dir(run_id) / CHECKPOINT, threads=models.threads)
    if raw:
        model.temperature = 1.0
    if model.needs == "embeddings" and models.runs.one(run_id).request.encoder == encoder:
        rows = np.array([item.vector_row for item in items], dtype=np.int64)
        probs = model.predict_embeddings(Vectors.of(models.files, encoder).rows(rows))
    else:
        probs = model.predict_images([images.of(item) for item in items], progress)
    return np.asarray(probs, dtype=np.float32), tuple(model.classes)
