"""Parts of a pool, and the pool in order of ids."""

from __future__ import annotations

import numpy as np

from strategies.base import IntArray, Pool


def sorting(pool: Pool) -> IntArray | None:
    """Positions in order of ids, or None when the pool is sorted."""
    if np.all(pool.ids[1:] > pool.ids[:-1]):
        return None
    return np.argsort(pool.ids, kind="stable").astype(np.int64)


def take(pool: Pool, positions: IntArray) -> Pool:
    """The pool of the items at `positions` `(m,)`, regions and all."""
    counts = np.diff(pool.offsets)[positions]
    offsets = np.concatenate([np.zeros(1, np.int64), np.cumsum(counts)])
    regions = np.repeat(pool.offsets[positions] - offsets[:-1], counts) + np.arange(int(offsets[-1]))
    return Pool(
        ids=pool.ids[positions],
        probs=np.ascontiguousarray(pool.probs[:, regions]),
        offsets=offsets,
        embeddings=pool.embeddings[positions],
        region_embeddings=None if pool.region_embeddings is None else pool.region_embeddings[regions],
        labels=pool.labels[positions],
        labelled=pool.labelled[positions],
        groups=pool.groups[positions],
        candidates=None if pool.candidates is None else pool.candidates[positions],
        background=pool.background,
        box_overlaps=None if pool.box_overlaps is None else pool.box_overlaps[:, regions],
        mask_overlaps=None if pool.mask_overlaps is None else pool.mask_overlaps[:, regions],
    )
