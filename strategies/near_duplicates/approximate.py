"""Neighbor search in cells, for more vectors than an exact scan can afford; its recall is measured, not hoped for.

Inverted lists: Sivic, Zisserman (2003), Video Google: A Text Retrieval Approach to Object Matching in Videos,
doi:10.1109/ICCV.2003.1238663; Jégou, Douze, Schmid (2011), Product Quantization for Nearest Neighbor Search,
doi:10.1109/TPAMI.2010.57 (here without the quantization: vectors in the visited cells are compared exactly).
"""

from __future__ import annotations

import faiss
import numpy as np
from numpy.typing import NDArray

from strategies.base import FloatArray, IntArray, StrategyError
from strategies.near_duplicates.index import NeighbourSearch, settle, unit_rows

EXACT_UP_TO = 300_000
"""Vectors up to which an exact scan is the better choice."""

MOST_PROBES = 64
WANTED_RECALL = 0.995

_TRAINING_PER_CELL = 50
_TRAINING_ROUNDS = 8


class ApproximateIndex(NeighbourSearch):
    """Search in the `probes` nearest cells of each query: what lies in them is met, nothing else.

    Args:
        centres: `(cells, d)` unit vectors, see `learn_cells`.
        probes: cells visited a query.
    """

    def __init__(self, centres: FloatArray, probes: int = 8) -> None:
        self.centres = unit_rows(centres)
        dimension = self.centres.shape[1]
        self._coarse = faiss.IndexFlatIP(dimension)
        self._coarse.add(self.centres)
        lists = faiss.IndexIVFFlat(self._coarse, dimension, len(self.centres), faiss.METRIC_INNER_PRODUCT)
        lists.make_direct_map(True)
        super().__init__(dimension, lists)
        self._lists = lists
        self.probes = probes

    @property
    def probes(self) -> int:
        """Cells visited a query."""
        return int(self._lists.nprobe)

    @probes.setter
    def probes(self, count: int) -> None:
        if count < 1:
            raise StrategyError(f"The number of cells to search must be at least 1, not {count}.")
        self._lists.nprobe = min(count, len(self.centres))

    def cells(self, vectors: FloatArray, count: int) -> IntArray:
        """`(n, count)` int64, the nearest cells of each vector."""
        return np.asarray(self._coarse.search(self._rows(vectors), count)[1], np.int64)


def learn_cells(vectors: FloatArray, rng: np.random.Generator) -> NDArray[np.float32]:
    """Centers for `(n, d)` vectors by k-means on a sample; about two times the square root of n of them."""
    rows = vectors if len(vectors) else np.eye(1, vectors.shape[1], dtype=np.float32)
    count = min(len(rows), max(1, int(2 * np.sqrt(len(rows)))))
    sample = np.sort(rng.choice(len(rows), min(len(rows), count * _TRAINING_PER_CELL), replace=False))
    settle()
    means = faiss.Kmeans(
        rows.shape[1],
        count,
        niter=_TRAINING_ROUNDS,
        seed=int(rng.integers(2**31)),
        spherical=True,
        min_points_per_centroid=1,
        max_points_per_centroid=_TRAINING_PER_CELL,
    )
    means.train(unit_rows(rows[sample]))
    return np.asarray(means.centroids, np.float32)


def choose_probes(
    index: ApproximateIndex, vectors: FloatArray, radius: float, rng: np.random.Generator, sample: int = 1000
) -> float:
    """Visit as few cells as reach the wanted recall at the radius; the index need not hold the vectors yet.

    Args:
        index: set to the chosen number of cells.
        vectors: `(n, d)` vectors as they are searched for.
        radius: cosine distance for which the recall counts.
        rng: source of the sample and of the directions.
        sample: vectors looked at.

    Returns:
        The recall of pairs at exactly the radius, in random directions.
    """
    rows = unit_rows(vectors[_sample(vectors, sample, rng)])
    homes = index.cells(rows, 1)
    visited = index.cells(move_by(rows, radius, rng), min(MOST_PROBES, len(index.centres)))
    hit = np.cumsum(visited == homes, axis=1).mean(axis=0)
    enough = np.flatnonzero(hit >= WANTED_RECALL)
    index.probes = int(enough[0]) + 1 if len(enough) else len(hit)
    return float(hit[index.probes - 1])


def _sample(vectors: FloatArray, sample: int, rng: np.random.Generator) -> IntArray:
    return np.sort(rng.choice(len(vectors), min(sample, len(vectors)), replace=False))


def move_by(rows: NDArray[np.float32], distance: float, rng: np.random.Generator) -> NDArray[np.float32]:
    """Unit vectors at this cosine distance from `rows`, in random directions."""
    sideways = rng.normal(size=rows.shape).astype(np.float32)
    sideways -= np.sum(sideways * rows, axis=1, keepdims=True) * rows
    sideways /= np.maximum(np.linalg.norm(sideways, axis=1, keepdims=True), 1e-9)
    cosine = 1.0 - distance
    return np.asarray(cosine * rows + np.sqrt(max(0.0, 1 - cosine**2)) * sideways, np.float32)
