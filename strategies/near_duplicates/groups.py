"""Groups of near-duplicates: each has one representative, and every member lies within the radius of it.

Single-link groups chain: a slow change over many images ends in one group of unlike images. Here a vector joins the
nearest representative within the radius, or becomes one. That is decided in order of arrival and never revised, so
existing groups do not change when images arrive, and any batching of the same order gives the same groups.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from strategies.base import FloatArray, IntArray, StrategyError
from strategies.near_duplicates.index import Found, VectorIndex, unit_rows

DEFAULT_RADIUS = 0.03
"""Cosine distance."""

BLOCK = 1024
# Float32 sums of a batched product differ with the batch, and lengths may be off by `UNIT_TOLERANCE`: FAISS proposes
# a bit more, `cosine_distances` decides.
ROUNDING = 5e-3


def assign_groups(new_vectors: FloatArray, representatives: FloatArray, radius: float = DEFAULT_RADIUS) -> IntArray:
    """Give each new vector the number of its group.

    Args:
        new_vectors: `(n, d)` unit vectors in order of arrival.
        representatives: `(m, d)` unit vectors, the representatives of groups 0 to m - 1 in order of creation.
        radius: largest cosine distance between a member and its representative.

    Returns:
        `(n,)` int64. Below m: joins that group. Otherwise groups m, m + 1, ... in order of creation; the first vector
        with such a number is the representative.

    Raises:
        StrategyError: vectors that are not finite, not of length 1, or of unequal dimension; radius outside [0, 2).
    """
    if not 0.0 <= radius < 2.0:
        raise StrategyError(f"The duplicate radius is a cosine distance from 0 to below 2, not {radius}.")
    new = unit_rows(new_vectors)
    known = unit_rows(representatives, new.shape[1]) if len(representatives) else new[:0]
    index = VectorIndex(new.shape[1])
    index.add(known)
    founders = [known]
    groups = np.empty(len(new), np.int64)
    for start in range(0, len(new), BLOCK):
        block = new[start : start + BLOCK]
        table = np.concatenate(founders) if len(founders) > 1 else founders[0]
        founders = [table]
        numbers, created = _assign_block(block, table, index.within(block, min(2.0, radius + ROUNDING)), radius)
        groups[start : start + len(block)] = numbers
        if created:
            fresh = block[created]
            index.add(fresh)
            founders.append(fresh)
    return groups


def _assign_block(
    block: NDArray[np.float32], table: NDArray[np.float32], found: Found, radius: float
) -> tuple[IntArray, list[int]]:
    """Decide one block in order; `created` are the rows of the block that became representatives."""
    lims, _, positions = found
    inside = VectorIndex(block.shape[1])
    inside.add(block)
    near_lims, _, near = inside.within(block, min(2.0, radius + ROUNDING))
    numbers = np.empty(len(block), np.int64)
    created: list[int] = []
    number_of: dict[int, int] = {}
    for row in range(len(block)):
        old = positions[lims[row] : lims[row + 1]]
        fresh = [int(p) for p in near[near_lims[row] : near_lims[row + 1]] if int(p) in number_of]
        candidates = np.array([*old, *(number_of[p] for p in fresh)], np.int64)
        vectors = np.concatenate([table[old], block[fresh]]) if len(candidates) else block[:0]
        number = _nearest(block[row], vectors, candidates, radius)
        if number is None:
            number = len(table) + len(created)
            number_of[row] = number
            created.append(row)
        numbers[row] = number
    return numbers, created


def _nearest(vector: NDArray[np.float32], vectors: NDArray[np.float32], numbers: IntArray, radius: float) -> int | None:
    """The number of the nearest vector within the radius (ties: the older one), or None."""
    if not len(numbers):
        return None
    distances = cosine_distances(vector, vectors)
    inside = np.flatnonzero(distances <= radius)
    if not len(inside):
        return None
    return int(numbers[inside[np.lexsort((numbers[inside], distances[inside]))[0]]])


def cosine_distances(vector: NDArray[np.float32], vectors: NDArray[np.float32]) -> NDArray[np.float64]:
    """Distances of one vector to `(k, d)` others, bit for bit the same whatever else is in the batch.

    Half the squared chord of the normalised vectors: exactly 0 for equal ones, where 1 - dot is off by rounding.
    """
    return np.asarray(np.sum((_normalised(vectors) - _normalised(vector[None])) ** 2, axis=1) / 2.0)


def _normalised(vectors: NDArray[np.float32]) -> NDArray[np.float64]:
    exact = vectors.astype(np.float64)
    return np.asarray(exact / np.sqrt(np.sum(exact * exact, axis=1, keepdims=True)))
