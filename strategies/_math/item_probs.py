"""One class distribution an item, for strategies that compare items and not regions."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from strategies.base import Pool

Float32 = NDArray[np.float32]


def member_distributions(pool: Pool) -> Float32:
    """`(members, n, classes)`: mean over the regions of each item; uniform for an item without regions.

    One region per item (classification) is handed out as it is, without a copy.
    """
    counts = np.diff(pool.offsets)
    if pool.probs.shape[1] == len(pool) and np.all(counts == 1):
        return pool.probs.astype(np.float32, copy=False)
    members, _, classes = pool.probs.shape
    out = np.full((members, len(pool), classes), 1.0 / max(1, classes), dtype=np.float32)
    filled = np.flatnonzero(counts)
    for member in range(members if len(filled) else 0):
        sums = np.add.reduceat(pool.probs[member], pool.offsets[filled], axis=0, dtype=np.float32)
        out[member, filled] = sums / counts[filled, None]
    return out


def distributions(pool: Pool) -> Float32:
    """`(n, classes)`: mean over members and regions."""
    each = member_distributions(pool)
    return each[0] if len(each) == 1 else np.asarray(each.mean(axis=0), dtype=np.float32)
