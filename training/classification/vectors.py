"""The embeddings of a job's samples: from the stored matrix where they are in it, else from the images."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from training.classification.request import Request
from training.encoders import Encoder, embed_files, load_encoder
from training.types import FloatArray, Progress, Sample, TrainingError

log = logging.getLogger(__name__)


def sample_vectors(request: Request, samples: Sequence[Sample], progress: Progress | None = None) -> FloatArray:
    """Embeddings `(n, d)` float32 of samples, in order.

    Raises:
        TrainingError: the matrix is missing, too short or holds values that are not finite.
    """
    if request.vectors is None or any(sample.vector_row is None for sample in samples):
        return embed_paths(request.encoder, [sample.path for sample in samples], request.threads, progress)
    matrix = _matrix(request.vectors, request.dimension)
    rows = np.array([sample.vector_row for sample in samples], dtype=np.int64)
    if len(rows) and (rows.min() < 0 or rows.max() >= len(matrix)):
        raise TrainingError(
            f"The manifest asks for embedding {int(rows.max())} of {len(matrix)} in {request.vectors.name}; "
            "embed the project's images again."
        )
    vectors = np.array(matrix[rows], dtype=np.float32)
    bad = ~np.isfinite(vectors).all(axis=1)
    if bad.any():
        sample = samples[int(np.flatnonzero(bad)[0])]
        raise TrainingError(f"The embedding of item {sample.id} is not finite; embed the project's images again.")
    return vectors


def embed_paths(
    encoder: str, paths: Sequence[Path], threads: int = 1, progress: Progress | None = None, key: str = ""
) -> FloatArray:
    """Embeddings `(n, d)` float32 of image files, in order.

    Args:
        encoder: name for `load_encoder`.
        paths: image files.
        threads: CPU threads.
        progress: called with the progress.
        key: what the encoder's key must be; empty for any.

    Returns:
        A row is NaN where its image cannot be used; the log says why.

    Raises:
        TrainingError: the encoder's weights or pixel handling are others than `key` says.
    """
    network = load_encoder(encoder, threads=threads)
    if key and network.key != key:
        raise TrainingError(
            f"The model was trained on embeddings of {key}, but this installation computes {network.key}. "
            "Train it again."
        )
    return embed_with(network, paths, progress)


def embed_with(encoder: Encoder, paths: Sequence[Path], progress: Progress | None = None) -> FloatArray:
    """Embeddings `(n, d)` float32 of image files by an encoder; a row is NaN where its image cannot be used."""
    vectors = np.zeros((len(paths), encoder.dimension), dtype=np.float32)
    for answer in embed_files(encoder, paths):
        if answer.vector is None:
            log.warning("%s", answer.reason)
        vectors[answer.index] = np.nan if answer.vector is None else answer.vector
        if progress:
            progress((answer.index + 1) / len(paths), f"{answer.index + 1} of {len(paths)} images")
    return vectors


def _matrix(path: Path, dimension: int) -> FloatArray:
    if dimension < 1:
        raise TrainingError(f"The embeddings' dimension must be at least 1, not {dimension}; start the run again.")
    try:
        values = path.stat().st_size // 4
        matrix: FloatArray = np.memmap(path, dtype="<f4", mode="r", shape=(values // dimension, dimension))
    except (OSError, ValueError) as error:
        raise TrainingError(
            f"The embeddings in {path.name} cannot be read ({error}); embed the images again."
        ) from error
    return matrix
