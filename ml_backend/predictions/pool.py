"""Which images of the pool a detector predicts, and its predictions, stored as they are made."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Final

import numpy as np

import strategies
from ml_backend.errors import ImageError
from ml_backend.images.files import ImageFiles
from ml_backend.images.items import LOST
from ml_backend.predictions.detectors import load_detector, look_at
from ml_backend.predictions.packing import pack, unpack
from ml_backend.state.models import Models
from ml_backend.state.records import ItemRow
from ml_backend.state.rows.detections import DetectionRows
from ml_backend.state.store import Store
from training.types import Progress

VIEWS: Final = 3
"""Views of each image for strategies that compare them: as it is, mirrored two ways."""
SAVED_EVERY: Final = 16
"""Answers per write: what a kill costs at most."""


def members_for(strategy: str) -> int:
    """How many views of each image a strategy needs."""
    return VIEWS if "members" in strategies.describe(strategy).needs else 1


def window_of(
    items: Sequence[ItemRow],
    touched: Collection[int],
    window: int,
    rng: np.random.Generator,
    known: Collection[int] = (),
) -> list[ItemRow]:
    """The unlabeled images that are looked at: all of them, or `window` at random where there are more.

    A detector takes long on a CPU, and nobody labels more than a window before the next model. Copies of an image wait
    until every other image is in.

    Args:
        items: images of the project that have a task.
        touched: tasks that somebody finished.
        window: how many at most.
        rng: of the draw.
        known: items for which an answer is there already; they come first.
    """
    waiting = sorted((item for item in items if item.task_id not in touched), key=lambda item: item.id)
    if len(waiting) <= window:
        return waiting
    chance = dict(zip((item.id for item in waiting), rng.permutation(len(waiting)).tolist(), strict=True))
    waiting.sort(key=lambda item: (item.id not in known, chance[item.id]))
    seen = {item.group_id or item.id for item in items if item.task_id in touched}
    first: list[ItemRow] = []
    later: list[ItemRow] = []
    for item in waiting:
        group = item.group_id or item.id
        (later if group in seen else first).append(item)
        seen.add(group)
    return sorted([*first, *later][:window], key=lambda item: item.id)


def predict_pool(
    store: Store,
    models: Models,
    images: ImageFiles,
    model_run: int,
    items: Sequence[ItemRow],
    members: int,
    progress: Progress,
) -> None:
    """Predict images with a run's detector and store the predictions; images that already have one are skipped.

    An image that cannot be read any more becomes `unreadable`.

    Args:
        store: takes the answers.
        models: loads the detector.
        images: local files of items.
        model_run: the run whose detector is asked.
        items: the images.
        members: views of each image; stored answers with fewer are renewed.
        progress: called with the progress.
    """
    stored = store.detections.items(model_run)
    if members > 1:
        stored &= _with_members(store.detections, model_run, [item.id for item in items], members)
    waiting = [item for item in items if item.id not in stored]
    if not waiting:
        return
    detector = load_detector(models, model_run)
    fresh: dict[int, bytes] = {}
    answers = look_at(detector, (_path(images, item) for item in waiting), members=members)
    for number, (item, found) in enumerate(zip(waiting, answers, strict=True), start=1):
        if found is None:
            store.items.update([{"id": item.id, "state": "unreadable", "reason": LOST}])
        else:
            fresh[item.id] = pack(found)
        if len(fresh) >= SAVED_EVERY or number == len(waiting):
            store.detections.save(model_run, fresh)
            fresh = {}
        progress(number / len(waiting), f"{number} of {len(waiting)} images")


def _path(images: ImageFiles, item: ItemRow) -> Path | None:
    try:
        return images.of(item)
    except ImageError:
        return None


def _with_members(detections: DetectionRows, run_id: int, items: Sequence[int], members: int) -> set[int]:
    enough: set[int] = set()
    for start in range(0, len(items), 100):
        part = detections.of(run_id, items[start : start + 100])
        enough |= {item for item, content in part.items() if len(unpack(content).detections.probs) >= members}
    return enough
