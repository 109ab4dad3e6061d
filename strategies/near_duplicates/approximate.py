"""Neighbour search in cells, for more vectors than an exact scan can afford; its recall is measured, not hoped for.

Inverted lists: Sivic and Zisserman 2003, "Video Google: a text retrieval approach to object matching in videos";
Jegou, Douze and Schmid 2011, "Product quantization for nearest neighbor search" (here without the quantization: what
lies in the visited cells is compared exactly).
"""

from __future__ import annotations

from dataclasses import dataclass

import faiss
import numpy as np
from numpy.typing import NDArray

from strategies.base import FloatArray, IntArray, StrategyError
from strategies.near_duplicates.index import NeighbourSearch, VectorIndex, unit_rows

EXACT_UP_TO = 300_000
"""Vectors up to which an exact scan is the better choice."""

MOST_PROBES = 64
WANTED_RECALL = 0.995

FEWEST_NEIGHBOURS = 20

_TRAINING_PER_CELL = 50
_TRAINING_ROUNDS = 8
_SCAN = 65536


@dataclass(frozen=True)
class Recall:
    """What a search in cells finds of what an exact scan finds.

    Attributes:
        probes: cells visited a query.
        at_radius: part in [0, 1] of pairs at exactly the radius, in random directions, that share a visited cell.
        observed: part in [0, 1] of the real neighbours of a sample that were found; NaN when it has too few.
        neighbours: real neighbours in the sample.
    """

    probes: int
    at_radius: float
    observed: float
    neighbours: int


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
        self.probes = probes

    @property
    def probes(self) -> int:
        """Cells visited a query."""
        return int(self._index.nprobe)

    @probes.setter
    def probes(self, count: int) -> None:
        if count < 1:
            raise StrategyError(f"{count} cells cannot be visited; give 1 or more.")
        self._index.nprobe = min(count, len(self.centres))

    def add(self, vectors: FloatArray, cells: IntArray | None = None) -> None:
        """Append `(n, d)` unit vectors; they get the next n positions.

        Args:
            vectors: `(n, d)`.
            cells: `(n,)` their cells, when they are known already.

        Raises:
            StrategyError: see `unit_rows`; or cells that do not exist.
        """
        rows = unit_rows(vectors, self.dimension)
        if not len(rows):
            return
        home = np.ascontiguousarray(self.cells(rows, 1)[:, 0] if cells is None else cells, np.int64)
        if home.shape != (len(rows),) or home.min() < 0 or home.max() >= len(self.centres):
            raise StrategyError("The cells do not belong to these vectors; rebuild the index.")
        self._index.add_core(len(rows), faiss.swig_ptr(rows), None, faiss.swig_ptr(home))

    def cells(self, vectors: FloatArray, count: int) -> IntArray:
        """`(n, count)` int64, the nearest cells of each vector."""
        return np.asarray(self._coarse.search(unit_rows(vectors, self.dimension), count)[1], np.int64)


def learn_cells(vectors: FloatArray, rng: np.random.Generator, cells: int | None = None) -> NDArray[np.float32]:
    """Centres for `(n, d)` vectors by k-means on a sample; about two times the square root of n of them."""
    rows = vectors if len(vectors) else np.eye(1, vectors.shape[1], dtype=np.float32)
    count = min(len(rows), cells or max(1, int(2 * np.sqrt(len(rows)))))
    sample = np.sort(rng.choice(len(rows), min(len(rows), count * _TRAINING_PER_CELL), replace=False))
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


def measure_recall(
    index: ApproximateIndex, vectors: FloatArray, radius: float, rng: np.random.Generator, sample: int = 1000
) -> Recall:
    """Choose the number of cells, then compare a sample of searches with an exact scan.

    Args:
        index: holds `vectors`; set to the chosen number of cells.
        vectors: `(n, d)`, may be memory-mapped.
        radius: cosine distance for which the recall counts.
        rng: source of the samples.
        sample: vectors searched for.
    """
    at_radius = choose_probes(index, vectors, radius, rng, sample)
    observed, neighbours = _observed(index, vectors, _sample(vectors, sample, rng), radius)
    return Recall(index.probes, at_radius, observed, neighbours)


def _sample(vectors: FloatArray, sample: int, rng: np.random.Generator) -> IntArray:
    return np.sort(rng.choice(len(vectors), min(sample, len(vectors)), replace=False))


def _observed(index: ApproximateIndex, vectors: FloatArray, chosen: IntArray, radius: float) -> tuple[float, int]:
    """The part of the real neighbours of chosen vectors that the index finds, and how many there are."""
    exact = VectorIndex(index.dimension)
    exact.add(vectors[chosen])
    real: set[tuple[int, int]] = set()
    for start in range(0, len(vectors), _SCAN):
        lims, _, positions = exact.within(vectors[start : start + _SCAN], radius)
        rows = start + np.repeat(np.arange(len(lims) - 1), np.diff(lims))
        real |= {(int(chosen[p]), int(r)) for p, r in zip(positions, rows, strict=True) if chosen[p] != r}
    lims, _, positions = index.within(vectors[chosen], radius)
    owners = np.repeat(chosen, np.diff(lims))
    found = set(zip(owners.tolist(), positions.tolist(), strict=True))
    return (len(real & found) / len(real) if len(real) >= FEWEST_NEIGHBOURS else float("nan")), len(real)


def move_by(rows: NDArray[np.float32], distance: float, rng: np.random.Generator) -> NDArray[np.float32]:
    """Unit vectors at this cosine distance from `rows`, in random directions."""
    sideways = rng.normal(size=rows.shape).astype(np.float32)
    sideways -= np.sum(sideways * rows, axis=1, keepdims=True) * rows
    sideways /= np.maximum(np.linalg.norm(sideways, axis=1, keepdims=True), 1e-9)
    cosine = 1.0 - distance
    return np.asarray(cosine * rows + np.sqrt(max(0.0, 1 - cosine**2)) * sideways, np.float32)
