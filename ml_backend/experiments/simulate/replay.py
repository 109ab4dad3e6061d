"""Plain scikit-learn on the same embeddings, labels and split: the baseline for the loop's models."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import f1_score

from ml_backend.state.files import DataDir
from ml_backend.state.rows.runs import RunRows
from ml_backend.state.vectors import Vectors
from training.data.manifest import read_manifest
from training.encoders import embed_files, load_encoder
from training.jobs.classes import load_model
from training.types import FloatArray, IntArray, Progress

STRENGTH = 10.0
"""Inverse regularization of the plain model on unit vectors."""


def embed(encoder: str, files: Sequence[Path], progress: Progress, *, threads: int, max_pixels: int) -> FloatArray:
    """Embeddings `(n, d)` float32 of files that are not part of any project; all of them can be read."""
    network = load_encoder(encoder, threads=threads)
    vectors = np.zeros((len(files), network.dimension), dtype=np.float32)
    for done, answer in enumerate(embed_files(network, list(files), max_pixels=max_pixels)):
        if answer.vector is not None:
            vectors[answer.index] = answer.vector
        progress((done + 1) / len(files), f"{done + 1} of {len(files)} test images")
    return vectors


def macro_f1(truth: IntArray, predicted: IntArray, classes: int) -> float:
    """Macro-F1 over all classes that occur in `truth`."""
    present = [number for number in range(classes) if (truth == number).any()]
    return float(f1_score(truth, predicted, labels=present, average="macro", zero_division=0))


def plain_score(vectors: FloatArray, labels: IntArray, test: FloatArray, truth: IntArray, classes: int) -> float:
    """Macro-F1 on the test part of a class-balanced logistic regression; 0 when there is one class only."""
    if len(np.unique(labels)) < 2:
        return 0.0
    model = LogisticRegression(C=STRENGTH, class_weight="balanced", max_iter=2000)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        model.fit(vectors, labels)
    return macro_f1(truth, np.asarray(model.predict(test), dtype=np.int64), classes)


def run_vectors(runs: RunRows, files: DataDir, run_id: int, classes: Sequence[str]) -> tuple[FloatArray, IntArray]:
    """Embeddings `(n, d)` and class indices `(n,)` of the training samples of a run."""
    request = runs.one(run_id).request
    samples = [s for s in read_manifest(files.run_dir(run_id) / "manifest.jsonl") if s.split == "train"]
    rows = np.array([sample.vector_row for sample in samples], dtype=np.int64)
    vectors = Vectors.of(files, request.encoder, request.count("dimension")).rows(rows)
    return vectors, np.array([classes.index(str(sample.label)) for sample in samples], dtype=np.int64)


def model_score(
    checkpoint: Path, test: FloatArray, files: Sequence[Path], truth: IntArray, classes: Sequence[str]
) -> float:
    """Macro-F1 of a run's checkpoint on the test part."""
    model = load_model(checkpoint)
    probs = model.predict_embeddings(test) if model.needs == "embeddings" else model.predict_images(list(files))
    place = np.array([classes.index(name) for name in model.classes], dtype=np.int64)
    return macro_f1(truth, place[np.asarray(probs).argmax(axis=1)], len(classes))
