"""A detector's predictions for a project's images -> the `Pool` that detection strategies rank."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from strategies.base import BoolArray, FloatArray, IntArray, Pool
from training.types import Detections


def detection_pool(
    ids: IntArray,
    found: Sequence[Detections],
    labelled: BoolArray,
    groups: IntArray,
    embeddings: FloatArray | None = None,
) -> Pool:
    """A pool whose regions are the objects found on each image; the last class is the background.

    Args:
        ids: `(n,)` int64.
        found: one per image, all by one model with the same number of members.
        labelled: `(n,)` bool.
        groups: `(n,)` int64 near-duplicate groups.
        embeddings: `(n, d)` float32 of whole images, unit length, or None.
    """
    counts = [len(each.boxes) for each in found]
    probs = [each.probs for each in found]
    return Pool(
        ids=ids,
        probs=np.concatenate(probs, axis=1) if probs else np.zeros((0, 0, 0), dtype=np.float32),
        offsets=np.concatenate([np.zeros(1, np.int64), np.cumsum(counts, dtype=np.int64)]),
        embeddings=np.zeros((len(ids), 0), dtype=np.float32) if embeddings is None else embeddings,
        region_embeddings=_joined(found, "vectors", axis=0),
        labels=np.full(len(ids), -1, dtype=np.int64),
        labelled=labelled,
        groups=groups,
        background=True,
        box_overlaps=_joined(found, "box_iou", axis=1),
        mask_overlaps=_joined(found, "mask_iou", axis=1),
    )


def _joined(found: Sequence[Detections], column: str, axis: int) -> NDArray[np.floating] | None:
    """One column of all images, or None when an image lacks it."""
    if not found or not all(column in each.columns for each in found):
        return None
    return np.concatenate([each.columns[column] for each in found], axis=axis)
