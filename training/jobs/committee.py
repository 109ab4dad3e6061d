"""Several opinions from one run: linear heads on bootstrap samples of its training groups.

Strategies that measure disagreement need members. Refitting a linear head takes a fraction of a second. Whole groups
are resampled, since images of one slide are not independent evidence.

Paper: Breiman (1996), Bagging Predictors, doi:10.1007/BF00058655
Paper: Lakshminarayanan, Pritzel, Blundell (2017), Simple and Scalable Predictive Uncertainty Estimation using Deep
Ensembles, arXiv:1612.01474
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from training.classification.methods.head import LinearHead
from training.classification.request import read_request
from training.classification.vectors import sample_vectors
from training.files import CHECKPOINT
from training.jobs.classes import load_model
from training.types import FloatArray, IntArray, TrainingError

MEMBERS = 8


def committee(run_dir: Path, embeddings: FloatArray, *, members: int = MEMBERS, seed: int) -> FloatArray:
    """Class probabilities by each member, classes in the run's order.

    Args:
        run_dir: folder of a finished run whose model is a linear head.
        embeddings: `(n, d)` float32 of the images asked about.
        members: how many heads, at least 2.
        seed: of the resampling.

    Returns:
        `(members, n, c)` float32, rows sum to 1.

    Raises:
        TrainingError: the run's model is not a linear head, or its folder is damaged.
    """
    from training.classification.linear_fit import fit_linear

    if members < 2:
        raise TrainingError(f"A committee needs at least 2 members, not {members}.")
    model = load_model(run_dir / CHECKPOINT)
    if not isinstance(model, LinearHead):
        raise TrainingError(
            "Disagreement is measured between linear heads, but this model is a whole network. Choose a "
            "strategy without members (for example margin) or train with method=head."
        )
    request = read_request(run_dir)
    samples = request.part("train")
    vectors = sample_vectors(request, samples)
    targets = np.array(request.targets(samples), dtype=np.int64)
    groups = np.unique([sample.group for sample in samples], return_inverse=True)[1].astype(np.int64)
    rng = np.random.default_rng(seed)
    given = model.settings.get("strength")
    strength = float(given) if isinstance(given, int | float) else 1.0
    answers = []
    for _ in range(members):
        rows = _resample(groups, targets, rng)
        weights, bias = fit_linear(vectors[rows], targets[rows], len(request.classes), strength)
        head = LinearHead(request.classes, weights, bias, model.encoder, temperature=model.temperature)
        answers.append(head.predict_embeddings(embeddings))
    return np.stack(answers)


def _resample(groups: IntArray, targets: IntArray, rng: np.random.Generator) -> IntArray:
    """Rows of a bootstrap sample of groups, with one row of every class that it would miss."""
    drawn = rng.choice(np.unique(groups), size=len(np.unique(groups)))
    rows = np.concatenate([np.flatnonzero(groups == group) for group in drawn])
    missed = np.setdiff1d(targets, targets[rows])
    kept = [int(rng.choice(np.flatnonzero(targets == target))) for target in missed]
    return np.array([*rows.tolist(), *kept], dtype=np.int64)
