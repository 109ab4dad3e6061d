"""Step 3: candidate and incumbent on the same frozen validation items; the better one serves."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from ml_backend.class_probs import over_classes
from ml_backend.detection.judging import judge_objects
from ml_backend.detection.models import finds_objects
from ml_backend.services import Services
from ml_backend.state.records import RunRow
from ml_backend.steps.labels import project_labels
from ml_backend.steps.models import predict_items
from training.data.manifest import read_manifest
from training.evaluation.promotion import judge as verdict_on


def judge(services: Services, run: RunRow) -> tuple[str, Mapping[str, Any]]:
    """Decide whether this run's model replaces the active one."""
    if finds_objects(run):
        return "publish", judge_objects(services, run)
    store = services.store
    classes = list(run.request["classes"])
    manifest = read_manifest(services.files.run_dir(run.id) / "manifest.jsonl")
    validation = {sample.id: sample for sample in manifest if sample.split == "validation"}
    items = [item for item in store.items(run.project_id, states=("ready",)) if item.id in validation]
    truth = np.array([classes.index(str(validation[item.id].label)) for item in items], dtype=np.int64)
    groups = np.unique([validation[item.id].group for item in items], return_inverse=True)[1].astype(np.int64)
    encoder = str(run.request["encoder"])
    incumbent_run = store.project(run.project_id).active_run_id
    if incumbent_run is not None and finds_objects(store.run(incumbent_run)):
        incumbent_run = None
    candidate = over_classes(*predict_items(services, run.id, items, encoder), classes)
    incumbent = (
        over_classes(*predict_items(services, incumbent_run, items, encoder), classes) if incumbent_run else None
    )
    seen = np.isfinite(candidate).all(axis=1)
    if incumbent is not None:
        seen &= np.isfinite(incumbent).all(axis=1)
        incumbent = incumbent[seen]
    verdict = verdict_on(truth[seen], candidate[seen], incumbent, classes, seed=run.seed, groups=groups[seen])
    labels = project_labels(services, run.project_id)
    evidence = {**verdict.evidence, "incumbent_run": incumbent_run, "conflicts": len(labels.left_out)}
    return "publish", {
        "decision": verdict.decision,
        "decision_reason": verdict.reason,
        "metrics": {**run.metrics, "judgement": evidence},
    }
