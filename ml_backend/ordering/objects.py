"""The order for projects with drawn objects: a `Pool` of the detector's predictions, a strategy's order."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

import numpy as np

import strategies
from ml_backend.ordering.object_pool import detection_pool
from ml_backend.ordering.order import (
    COLD_START,
    OrderRequest,
    ProjectOrder,
    candidates,
    choose,
    entries_of,
    mix,
    order_project,
    provenance_of,
    to_learn_from,
)
from ml_backend.ordering.strategy_choice import AUTO, fitting
from ml_backend.predictions.detectors import renamed
from ml_backend.predictions.packing import unpack
from ml_backend.reports.validation_score import ENOUGH_ITEMS
from ml_backend.state.files import DataDir
from ml_backend.state.project_settings import ProjectSettings
from ml_backend.state.records import ItemRow, RankingEntry
from ml_backend.state.rows.detections import DetectionRows
from ml_backend.state.store import Store
from ml_backend.state.vectors import Vectors
from strategies.base import Pool
from training.types import Detections

RARE_FIRST: Final = "class_quota"
"""What `auto` means once the detector is worth listening to: rare classes gain most, measured in docs/detection.md."""
ONE_CLASS: Final = "ppal"
"""The same where there is one class, so none is rare: uncertain objects, images that differ from each other."""
LEAST_AP50: Final = 0.1
"""AP50 on the held-out images from which a detector's doubts are trusted; below, they are noise."""


def strategy_for(settings: ProjectSettings, judged: Mapping[str, Any], classes: int) -> tuple[str, str]:
    """The strategy that ranks a detector's predictions, with a note on why if the project leaves the choice to `auto`.

    Args:
        settings: the project's.
        judged: the judge's measurements of the detector; may be empty.
        classes: how many the project has.
    """
    if settings.strategy != AUTO:
        return settings.strategy, ""
    measured = judged.get("candidate")
    value = measured.get("AP50") if isinstance(measured, Mapping) else None
    if not isinstance(value, int | float) or not math.isfinite(value):
        return COLD_START, (
            "There is no held-out object yet to measure the detector on: images that represent the pool come first."
        )
    if value < LEAST_AP50:
        note = f"The detector is weak (AP50 {value:.2f} on held-out images): images that represent the pool come first."
        return COLD_START, note
    name, images, objects = _default(classes), judged.get("images"), judged.get("objects")
    on = f"AP50 {value:.2f} on {images} held-out images with {objects} objects"
    if all(isinstance(count, int) and count >= ENOUGH_ITEMS for count in (images, objects)):
        return name, f"The detector is good enough to trust its uncertainty ({on})."
    return (
        name,
        f"The detector finds some objects ({on}). The evidence is thin, but {name} uses it anyway.",
    )


def _default(classes: int) -> str:
    return RARE_FIRST if classes > 1 else ONE_CLASS


def order_objects(store: Store, files: DataDir, project_id: int, request: OrderRequest) -> ProjectOrder:
    """Rank every unlabeled image; those that the detector has not predicted follow in random order.

    Validation images are mixed in at random, as for classification.
    """
    asked = store.projects.settings(project_id)
    settings, other = fitting(asked, request.kind)
    items = candidates(store.items, project_id, request.encoder)
    found = _answers(store.detections, request, items)
    if request.run_id is None or not found:
        return order_project(store, files, project_id, request)
    rng = np.random.default_rng(request.seed)
    name, note = strategy_for(settings, request.competence, len(request.classes))
    known = [item for item in items if item.id in found or item.task_id in request.touched]
    pool = _pool(files, known, found, request)
    request = replace(request, have=tuple(float(request.objects.get(label, 0)) for label in request.classes))
    if "mask_overlaps" in strategies.describe(name).needs and pool.mask_overlaps is None:
        wanted, name = name, _default(len(request.classes))
        note = f"{wanted} compares outlines, but the detector does not predict any yet, so {name} is used."
    parameters = settings.strategy_params if name == settings.strategy else {}
    splits = np.array([item.split for item in known])
    chosen = choose(
        to_learn_from(pool, splits),
        settings.model_copy(update={"strategy": name, "strategy_params": parameters}),
        rng,
        request,
    )
    chosen = replace(chosen, note=" ".join(said for said in (other, chosen.note or note) if said))
    order = mix(pool, splits, chosen, settings, rng)
    entries = entries_of(known, order, splits == "validation", chosen, request.classes)
    rest = [item for item in items if item.id not in found and item.task_id not in request.touched]
    made_from = provenance_of(asked, chosen, pool, request)
    provenance = replace(made_from, items=len(items), own={"looked_at": len(found)})
    return ProjectOrder(chosen.name, _with_rest(entries, rest, rng), provenance)


def _answers(rows: DetectionRows, request: OrderRequest, items: Sequence[ItemRow]) -> dict[int, Detections]:
    if request.run_id is None:
        return {}
    waiting = [item.id for item in items if item.task_id not in request.touched]
    stored = rows.of(request.run_id, waiting)
    return {item: renamed(unpack(content), request.classes) for item, content in stored.items()}


def _pool(files: DataDir, items: Sequence[ItemRow], found: Mapping[int, Detections], request: OrderRequest) -> Pool:
    """The pool of these items; labeled images have no regions, because the detector no longer predicts them."""
    members = min(len(each.probs) for each in found.values())
    some = next(iter(found.values()))
    nothing = _cut(some, members, regions=0)
    answers = [
        _cut(found[item.id], members) if item.id in found else replace(nothing, size=(item.height, item.width))
        for item in items
    ]
    rows = np.array([item.vector_row for item in items], dtype=np.int64)
    return detection_pool(
        np.array([item.id for item in items], dtype=np.int64),
        answers,
        np.array([item.task_id in request.touched for item in items], dtype=bool),
        np.array([item.group_id or item.id for item in items], dtype=np.int64),
        Vectors.of(files, request.encoder).rows(rows),
    )


def _cut(answer: Detections, members: int, regions: int | None = None) -> Detections:
    """The first members' view of an answer, and of its first regions where a number is given."""
    part = slice(None if regions is None else regions)
    columns = {
        name: column[part] if name == "vectors" else column[:members, part] for name, column in answer.columns.items()
    }
    return replace(
        answer,
        boxes=answer.boxes[part],
        probs=answer.probs[:members, part],
        masks=None if answer.masks is None else answer.masks[part],
        columns=columns,
    )


def _with_rest(
    entries: Sequence[RankingEntry], rest: Sequence[ItemRow], rng: np.random.Generator
) -> list[RankingEntry]:
    total = len(entries) + len(rest)
    lowest = min((entry.utility for entry in entries), default=0.0)
    later = [rest[int(place)] for place in rng.permutation(len(rest))]
    return [
        *(replace(entry, score=entry.position / total) for entry in entries),
        *(
            RankingEntry(item.id, len(entries) + number, (len(entries) + number) / total, lowest)
            for number, item in enumerate(later)
        ),
    ]
