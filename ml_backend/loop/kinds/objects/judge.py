"""Candidate and incumbent detector on the same frozen validation images."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from ml_backend.effort.choosing import judge_thresholds
from ml_backend.loop.kinds.base import Judged
from ml_backend.loop.rescoring import Score, scores_on_one_set
from ml_backend.predictions.detectors import asked, load_detector, look_at, renamed
from ml_backend.predictions.packing import Found
from ml_backend.predictions.thresholds import METRIC, held_back_by
from ml_backend.progress import reporter
from ml_backend.reports.validation_score import CURVE
from ml_backend.services import Services
from ml_backend.state.records import RunRow
from training.data.detection_set import DetectionSet, LabelledImage
from training.data.object_manifest import OBJECTS, detection_sets, read_object_manifest
from training.evaluation.detection import Kind
from training.evaluation.detection_promotion import ap50_of, judge_detectors
from training.types import Detections, Progress

DETECTORS, LOOKS = 3, 200
"""Earlier detectors that are scored again, and images that this may cost: a look takes up to a second."""


def judge_objects(services: Services, run: RunRow, before: int | None) -> Judged:
    """See `ml_backend.loop.kinds.base.Kind.judge`."""
    classes = run.request.classes
    samples = read_object_manifest(services.files.run_dir(run.id) / OBJECTS)
    _, validation, ids = detection_sets(samples, classes)
    paths = [image.path for image in validation.images]
    report = reporter(services.store.runs, services.clock, run, "Measuring")
    candidate = _answers(services, run.id, paths, report, "the new model")
    incumbent, absent = asked(before, lambda number: _answers(services, number, paths, report, "the serving model"))
    seen = [
        place
        for place in range(len(paths))
        if candidate[place] is not None and (incumbent is None or incumbent[place] is not None)
    ]
    truth = replace(validation, images=tuple(validation.images[place] for place in seen))
    answers = [renamed(found, classes) for place in seen if (found := candidate[place]) is not None]
    old = (
        None
        if incumbent is None
        else [renamed(found, classes) for place in seen if (found := incumbent[place]) is not None]
    )
    verdict = judge_detectors(
        truth,
        answers,
        old,
        seed=run.seed,
        absent=absent,
    )
    evidence = {**verdict.evidence, "unreadable": len(paths) - len(seen)}
    if "candidate" in evidence:
        named = [(ids[place], _named(validation.images[place], classes)) for place in seen]
        models = {run.id: answers} if old is None or before is None else {run.id: answers, before: old}
        evidence[CURVE] = _curve(services, run, truth, named, models, report)
    chosen = judge_thresholds(services.store.projects, services.files, run, answers, truth.images, classes)
    serves = verdict.decision == "promoted" and services.store.projects.settings(run.project_id).hold_back
    held_back = held_back_by(chosen, run.id) if serves else ""
    return Judged(verdict.decision, f"{verdict.reason} {held_back}".strip(), evidence, {METRIC: chosen.as_dict()})


def _named(image: LabelledImage, classes: Sequence[str]) -> str:
    """The objects of an image in words, by which a validation set is known again."""
    drawn = zip(image.classes.tolist(), image.boxes.tolist(), strict=True)
    return ", ".join(f"{classes[label]} {[round(edge) for edge in box]}" for label, box in drawn)


def _curve(
    services: Services,
    run: RunRow,
    truth: DetectionSet,
    named: Sequence[tuple[int, str]],
    models: Mapping[int, Sequence[Detections]],
    report: Progress,
) -> dict[str, Any]:
    outlines = truth.has_masks and all(each.masks is not None for found in models.values() for each in found)
    kind: Kind = "segm" if outlines else "bbox"
    paths = [image.path for image in truth.images]

    def score(found: Sequence[Detections]) -> Score:
        value, ends = ap50_of(truth, found, kind, seed=run.seed)
        return (value, None, None) if ends is None else (value, ends[0], ends[1])

    def ask(earlier: RunRow) -> Score | None:
        found = _answers(services, earlier.id, paths, report, f"the model of run {earlier.id}")
        known = [renamed(each, truth.classes) for each in found if each is not None]
        if len(known) < len(paths) or (outlines and any(each.masks is None for each in known)):
            return None
        return score(known)

    most = min(DETECTORS, LOOKS // max(1, len(paths)))
    return scores_on_one_set(
        services, run, named, {number: score(found) for number, found in models.items()}, ask, most
    )


def _answers(services: Services, run_id: int, paths: list[Path], report: Progress, who: str) -> list[Found | None]:
    detector = load_detector(services.models, run_id)
    answers: list[Found | None] = []
    for number, found in enumerate(look_at(detector, paths), start=1):
        answers.append(found)
        report(number / len(paths), f"{who} on {number} of {len(paths)} validation images")
    return answers
