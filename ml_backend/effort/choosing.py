"""Chooses, for each class, the score from which showing an object saves more work than it causes."""

from __future__ import annotations

import json
import logging
from collections.abc import Sequence
from dataclasses import asdict
from typing import Final

from pydantic import TypeAdapter

from ml_backend.predictions.choice import Choice, ClassChoice
from ml_backend.predictions.thresholds import METRIC
from ml_backend.state.files import DataDir
from ml_backend.state.project_settings import ProjectSettings
from ml_backend.state.records import RunRow
from ml_backend.state.rows.projects import ProjectRows
from ml_backend.state.store import Store
from training.data.detection_set import LabelledImage
from training.evaluation.correction_parts import Costs, Tally
from training.evaluation.corrections import Evidence, choose, in_words, seen_on
from training.evaluation.worth import Rule, worth_of
from training.types import Detections

log = logging.getLogger(__name__)

EVIDENCE: Final = "thresholds.json"
"""File of a run's folder with what the thresholds were chosen by."""


def costs_of(settings: ProjectSettings) -> Costs:
    """What corrections cost in a project."""
    return Costs(delete=settings.cost_delete, add=settings.cost_add, relabel=settings.cost_relabel)


def rule_of(settings: ProjectSettings) -> Rule:
    """The settings by which a project decides which objects to show."""
    return Rule(
        costs_of(settings),
        settings.shown_from,
        settings.choose_shown_from,
        dict(sorted(settings.shown_from_class.items())),
    )


def judge_thresholds(
    projects: ProjectRows,
    files: DataDir,
    run: RunRow,
    found: Sequence[Detections],
    truth: Sequence[LabelledImage],
    classes: Sequence[str],
) -> Choice:
    """Choose thresholds for a detector that was just evaluated; the evidence stays in the run's folder.

    Args:
        projects: the project's settings.
        files: holds the run's folder.
        run: the run that trained the detector.
        found: its predictions on images that it did not learn from, background last.
        truth: these images.
        classes: names of the class numbers.

    Returns:
        The choice; the metrics of the run keep its JSON form for `ml_backend.predictions.thresholds`.
    """
    evidence = seen_on(found, truth, len(classes))
    kept = {
        "classes": list(classes),
        "images": evidence.images,
        "parts": [asdict(part) for part in evidence.parts],
        "places": evidence.places,
        "groups": evidence.groups,
    }
    files.write_atomic(files.run_dir(run.id) / EVIDENCE, json.dumps(kept))
    return _choice(projects.settings(run.project_id), evidence, classes)


def renew_thresholds(store: Store, files: DataDir, project_id: int, run_id: int) -> bool:
    """Choose again if the project's settings for this have changed; returns whether anything was renewed."""
    run, settings = store.runs.one(run_id), store.projects.settings(project_id)
    chosen = Choice.stored(run.metrics.own.get(METRIC))
    if chosen is None or chosen.rule == asdict(rule_of(settings)):
        return False
    try:
        kept = json.loads((files.run_dir(run_id) / EVIDENCE).read_bytes())
        # Runs of earlier versions do not say which image a part lies in.
        evidence = TypeAdapter(Evidence).validate_python(kept)
        renewed = _choice(settings, evidence, [str(name) for name in kept["classes"]])
    except (OSError, ValueError, KeyError, TypeError) as error:
        log.warning("the thresholds of run %d stay the same because %s cannot be read: %s", run_id, EVIDENCE, error)
        return False
    store.runs.update(run_id, metrics=run.metrics.with_own(METRIC, renewed.as_dict()))
    return True


def _choice(settings: ProjectSettings, evidence: Evidence, classes: Sequence[str]) -> Choice:
    rule = rule_of(settings)
    chosen = choose(evidence, classes, rule.costs, default=rule.default)
    worth = worth_of(evidence, classes, rule)
    classes_chosen = {each.name: ClassChoice(each.threshold, each.objects, each.basis) for each in chosen.classes}
    numbers = {
        "images": chosen.images,
        "expected": _numbers(chosen.expected, chosen.costs),
        "with_default": _numbers(chosen.before, chosen.costs),
        "default": chosen.default,
        "costs": asdict(chosen.costs),
        "why": in_words(chosen),
        "rule": asdict(rule),
        "worth": None if worth is None else {**asdict(worth), "interval": list(worth.interval), "harms": worth.harms},
    }
    return Choice(classes_chosen, numbers)


def _numbers(tally: Tally, costs: Costs) -> dict[str, float]:
    return {**asdict(tally), "corrections": tally.corrections, "cost": tally.cost(costs)}
