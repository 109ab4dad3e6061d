"""Stage one: FAISS proposes a few partners per image, from local features and from whole frames in eight
orientations."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from strategies.base import StrategyError
from strategies.near_duplicates.index import VectorIndex
from strategies.near_duplicates.verification.turns import SIDE, eight

PARTNERS = 6
"""Nearest summaries asked for an image, and as many for its mirror image."""

FRAME_PARTNERS = 3
FRAME_RADIUS = 0.2
BATCH = 1024


def propose_pairs(
    summaries: NDArray[np.float32], thumbnails: NDArray[np.float32], partners: int = PARTNERS
) -> list[tuple[int, int]]:
    """Pairs whose pixels are worth comparing.

    Args:
        summaries: `(n, 2, d)` float32 unit vectors: of the images and of their mirror images.
        thumbnails: `(n, 32, 32)` float32 of unit length, or zeros where a frame has no detail.
        partners: nearest images asked for each summary.

    Returns:
        Distinct `(i, j)` with i < j, in order.

    Raises:
        StrategyError: the arrays do not belong together, or `partners` is below 1.
    """
    if len(summaries) != len(thumbnails) or partners < 1:
        raise StrategyError(
            f"{len(summaries)} summaries, {len(thumbnails)} thumbnails and {partners} partners cannot be "
            "searched. Give equal numbers of summaries and thumbnails, and at least 1 partner."
        )
    if len(summaries) < 2:
        return []
    index = VectorIndex(summaries.shape[2])
    index.add(summaries[:, 0])
    pairs = {pair for view in (0, 1) for pair in _nearest_pairs(index, summaries[:, view], partners + 1)}
    return sorted(pairs | _frame_pairs(thumbnails))


def _nearest_pairs(index: VectorIndex, queries: NDArray[np.float32], k: int) -> set[tuple[int, int]]:
    found = set()
    for start in range(0, len(queries), BATCH):
        _, positions = index.nearest(queries[start : start + BATCH], k)
        for row, partners in enumerate(positions.tolist(), start):
            found |= {(min(row, other), max(row, other)) for other in partners if other not in (row, -1)}
    return found


def _frame_pairs(thumbnails: NDArray[np.float32]) -> set[tuple[int, int]]:
    detailed = np.flatnonzero(np.einsum("ijk,ijk->i", thumbnails, thumbnails) > 0.5)
    if len(detailed) < 2:
        return set()
    index = VectorIndex(SIDE * SIDE)
    index.add(thumbnails[detailed].reshape(len(detailed), -1))
    pairs = set()
    for start in range(0, len(detailed), BATCH // 8):
        rows = detailed[start : start + BATCH // 8]
        distances, positions = index.nearest(
            np.concatenate([eight(thumbnails[row]) for row in rows]), FRAME_PARTNERS + 1
        )
        for turn, (far, near) in enumerate(zip(distances.tolist(), positions.tolist(), strict=True)):
            row = int(rows[turn // 8])
            others = (int(detailed[p]) for d, p in zip(far, near, strict=True) if d <= FRAME_RADIUS)
            pairs |= {(min(row, other), max(row, other)) for other in others if other != row}
    return pairs
