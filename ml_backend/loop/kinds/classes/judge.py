"""Candidate and incumbent classifier on the same frozen validation items."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ml_backend.labels.project import project_labels
from ml_backend.loop.kinds.base import Judged
from ml_backend.loop.rescoring import Score, scores_on_one_set
from ml_backend.predictions.classifiers import predict_items
from ml_backend.predictions.detectors import asked
from ml_backend.reports.validation_score import CURVE, macro_f1_interval
from ml_backend.services import Services
from ml_backend.state.class_probs import over_classes
from ml_backend.state.records import ItemRow, RunRow
from strategies.base import BoolArray
from training.data.manifest import read_manifest
from training.evaluation.calibration import cross_fitted
from training.evaluation.classification import evaluate
from training.evaluation.promotion import judge as verdict_on
from training.types import FloatArray, IntArray, TrainingError

MODELS, NETWORKS = 24, 2
"""Earlier models that are scored again: heads on stored embeddings take milliseconds, networks look at every image."""


@dataclass(frozen=True)
class HeldOut:
    """The labeled validation items of a run.

    Attributes:
        items: n items.
        truth: `(n,)` class indices.
        groups: `(n,)` equal numbers belong together.
        classes: names of the class indices.
        encoder: key of the matrix that the items' rows belong to.
    """

    items: Sequence[ItemRow]
    truth: IntArray
    groups: IntArray
    classes: tuple[str, ...]
    encoder: str


def judge_classes(services: Services, run: RunRow, before: int | None) -> Judged:
    """See `ml_backend.loop.kinds.base.Kind.judge`."""
    held = held_out(services, run)
    candidate = answers(services, run.id, held)
    incumbent, absent = asked(before, lambda number: answers(services, number, held))
    seen = np.asarray(np.isfinite(candidate).all(axis=1), dtype=np.bool_)
    if incumbent is not None:
        seen &= np.isfinite(incumbent).all(axis=1)
    truth, groups = held.truth[seen], held.groups[seen]
    # Both go through this alike, or the candidate would be judged on what its own temperature was fitted to.
    new, old = (
        None if probs is None else cross_fitted(probs[seen], truth, seed=run.seed, groups=groups)
        for probs in (candidate, incumbent)
    )
    assert new is not None
    verdict = verdict_on(truth, new, old, held.classes, seed=run.seed, groups=groups, absent=absent)
    labels = project_labels(services.store, run.project_id)
    evidence = {**verdict.evidence, "conflicts": len(labels.left_out)}
    if seen.any():
        evidence[CURVE] = _curve(services, run, held, seen, {run.id: new, before: old})
    return Judged(verdict.decision, verdict.reason, evidence)


def _curve(
    services: Services, run: RunRow, held: HeldOut, seen: BoolArray, answered: Mapping[int | None, FloatArray | None]
) -> dict[str, Any]:
    truth = held.truth[seen]

    def score(probs: FloatArray) -> Score | None:
        if not np.isfinite(probs).all():
            return None
        measured = evaluate(truth, probs, held.classes)
        low, high = macro_f1_interval(tuple(map(tuple, measured["confusion"])))
        return float(measured["macro_f1"]), low, high

    known = {number: score(probs) for number, probs in answered.items() if number is not None and probs is not None}
    named = [(item.id, held.classes[label]) for item, label in zip(held.items, held.truth.tolist(), strict=True)]
    looks = iter(range(NETWORKS))

    def ask(earlier: RunRow) -> Score | None:
        # A head on this encoder's vectors answers at once; any other model has to look at the images.
        is_quick = earlier.request.own.get("method") == "head" and earlier.request.encoder == held.encoder
        if not is_quick and next(looks, None) is None:
            return None
        return score(answers(services, earlier.id, held)[seen])

    return scores_on_one_set(
        services,
        run,
        [pair for pair, is_seen in zip(named, seen.tolist(), strict=True) if is_seen],
        {number: found for number, found in known.items() if found is not None},
        ask,
        MODELS,
    )


def held_out(services: Services, run: RunRow) -> HeldOut:
    """The validation items in a run's manifest whose images can still be read."""
    classes = run.request.classes
    manifest = read_manifest(services.files.run_dir(run.id) / "manifest.jsonl")
    validation = {sample.id: sample for sample in manifest if sample.split == "validation"}
    items = [item for item in services.store.items.all(run.project_id, states=("ready",)) if item.id in validation]
    truth = np.array([classes.index(str(validation[item.id].label)) for item in items], dtype=np.int64)
    groups = np.unique([validation[item.id].group for item in items], return_inverse=True)[1].astype(np.int64)
    return HeldOut(items, truth, groups, classes, run.request.encoder)


def answers(services: Services, run_id: int, held: HeldOut) -> FloatArray:
    """The probabilities of a run's model for held-out items, `(n, classes)` at temperature 1; NaN where an image is
    missing.

    Raises:
        TrainingError: the model is lost or damaged, or answers about other images than these.
    """
    probs, classes = predict_items(services.models, services.images, run_id, held.items, held.encoder, raw=True)
    if not set(classes) & set(held.classes):
        raise TrainingError(f"The model of run {run_id} has none of the classes {', '.join(held.classes)}.")
    return over_classes(probs, classes, held.classes)
