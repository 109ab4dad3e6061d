"""Group a whole collection at once: exact below 300,000 vectors, in cells above."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from strategies.base import FloatArray, IntArray
from strategies.near_duplicates.approximate import EXACT_UP_TO, ApproximateIndex, choose_probes, learn_cells
from strategies.near_duplicates.groups import DEFAULT_RADIUS, Grouper, Index
from strategies.near_duplicates.index import VectorIndex

BATCH = 32768


@dataclass(frozen=True)
class Grouping:
    """Groups of a collection.

    Attributes:
        numbers: `(n,)` int64, see `assign_groups`.
        recall: expected part in [0, 1] of pairs at exactly the radius that are seen; 1 for an exact search.
        probes: cells visited a vector; 0 for an exact search.
    """

    numbers: IntArray
    recall: float
    probes: int


def group_all(
    vectors: FloatArray, rng: np.random.Generator, radius: float = DEFAULT_RADIUS, exact_up_to: int = EXACT_UP_TO
) -> Grouping:
    """Group `(n, d)` unit vectors in order of arrival.

    Args:
        vectors: may be memory-mapped; beyond them the index of representatives is held in memory.
        rng: for the cells and for the sample on which their recall is measured.
        radius: largest cosine distance between a member and its representative.
        exact_up_to: number of vectors from which on cells are used.

    Raises:
        StrategyError: see `Grouper`.
    """
    index: Index = VectorIndex(vectors.shape[1])
    recall, probes = 1.0, 0
    if len(vectors) > exact_up_to:
        cells = ApproximateIndex(learn_cells(vectors, rng))
        recall = choose_probes(cells, vectors, radius, rng)
        index, probes = cells, cells.probes
    grouper = Grouper(index, radius)
    numbers = np.empty(len(vectors), np.int64)
    for start in range(0, len(vectors), BATCH):
        numbers[start : start + BATCH] = grouper.assign(np.asarray(vectors[start : start + BATCH]))
    return Grouping(numbers, recall, probes)
