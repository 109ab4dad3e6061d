"""Candidate and incumbent detector on the same frozen validation images."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from ml_backend.detection.models import GONE, finds_objects, load_detector, look_at, renamed
from ml_backend.detection.packing import Found
from ml_backend.effort.choosing import judge_thresholds
from ml_backend.services import Services
from ml_backend.state.records import RunRow
from ml_backend.steps.progress import reporter
from ml_backend.thresholds import METRIC, held_back_by
from training.data.object_manifest import OBJECTS, detection_sets, read_object_manifest
from training.evaluation.detection_promotion import judge_detectors
from training.evaluation.promotion import NONE_BEFORE
from training.types import Progress, TrainingError

log = logging.getLogger(__name__)


def judge_objects(services: Services, run: RunRow) -> Mapping[str, Any]:
    """Decide whether this run's detector replaces the active one; answers the columns of the run to set."""
    classes = tuple(map(str, run.request["classes"]))
    samples = read_object_manifest(services.files.run_dir(run.id) / OBJECTS)
    _, validation, _ = detection_sets(samples, classes)
    paths = [image.path for image in validation.images]
    active = services.store.project(run.project_id).active_run_id
    before = active if active is not None and finds_objects(services.store.run(active)) else None
    report = reporter(services, run, "Measuring")
    candidate = _answers(services, run.id, paths, report, "the new model")
    incumbent, absent = None, NONE_BEFORE
    if before is not None:
        try:
            incumbent = _answers(services, before, paths, report, "the serving model")
        except TrainingError as error:
            log.warning("the model of run %d counts as absent: %s", before, error)
            absent = GONE.format(before)
    seen = [
        place
        for place in range(len(paths))
        if candidate[place] is not None and (incumbent is None or incumbent[place] is not None)
    ]
    truth = replace(validation, images=tuple(validation.images[place] for place in seen))
    answers = [renamed(found, classes) for place in seen if (found := candidate[place]) is not None]
    verdict = judge_detectors(
        truth,
        answers,
        None
        if incumbent is None
        else [renamed(found, classes) for place in seen if (found := incumbent[place]) is not None],
        seed=run.seed,
        absent=absent,
    )
    evidence = {**verdict.evidence, "incumbent_run": before, "unreadable": len(paths) - len(seen)}
    chosen = judge_thresholds(services, run, answers, truth.images, classes)
    serves = verdict.decision == "promoted" and services.store.settings(run.project_id).hold_back
    held_back = held_back_by(chosen, run.id) if serves else ""
    return {
        "decision": verdict.decision,
        "decision_reason": f"{verdict.reason} {held_back}".strip(),
        "metrics": {
            **run.metrics,
            "judgement": evidence,
            METRIC: chosen,
        },
    }


def _answers(services: Services, run_id: int, paths: list[Path], report: Progress, who: str) -> list[Found | None]:
    detector = load_detector(services, run_id)
    answers: list[Found | None] = []
    for number, found in enumerate(look_at(detector, paths), start=1):
        answers.append(found)
        report(number / len(paths), f"{who} on {number} of {len(paths)} validation images")
    return answers
