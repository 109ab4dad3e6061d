"""Choose, for each class, the score from which showing an object spares more work than it makes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from ml_backend.project_settings import ProjectSettings
from training.data.detection_set import LabelledImage
from training.evaluation.correction_parts import Costs, Tally
from training.evaluation.corrections import best_thresholds, in_words
from training.types import Detections


def costs_of(settings: ProjectSettings) -> Costs:
    """What corrections cost in a project."""
    return Costs(delete=settings.cost_delete, add=settings.cost_add, relabel=settings.cost_relabel)


def chosen_thresholds(
    settings: ProjectSettings, found: Sequence[Detections], truth: Sequence[LabelledImage], classes: Sequence[str]
) -> dict[str, Any]:
    """The choice for a detector, as the metrics of its run keep it and `ml_backend.thresholds` reads it.

    Args:
        settings: of the project.
        found: the detector's answers on images that it did not learn from, background last.
        truth: these images.
        classes: names of the class numbers.
    """
    chosen = best_thresholds(found, truth, classes, costs_of(settings), default=settings.shown_from)
    return {
        "classes": {
            each.name: {"threshold": each.threshold, "objects": each.objects, "basis": each.basis}
            for each in chosen.classes
        },
        "images": chosen.images,
        "expected": _numbers(chosen.expected, chosen.costs),
        "with_default": _numbers(chosen.before, chosen.costs),
        "default": chosen.default,
        "costs": asdict(chosen.costs),
        "why": in_words(chosen),
    }


def _numbers(tally: Tally, costs: Costs) -> dict[str, float]:
    return {**asdict(tally), "corrections": tally.corrections, "cost": tally.cost(costs)}
