"""Neighbor search over unit vectors, by cosine distance (1 - dot product)."""

from __future__ import annotations

import faiss
import numpy as np
from numpy.typing import NDArray

from strategies.base import FloatArray, IntArray, StrategyError

UNIT_TOLERANCE = 1e-3

Found = tuple[IntArray, NDArray[np.float32], IntArray]
"""`(lims, distances, positions)`: the neighbors of query i lie at `lims[i]:lims[i + 1]`, nearest first."""


def settle() -> None:
    """Set FAISS up for this thread, cheap enough for every call: OpenMP keeps a number of threads for each thread."""
    # Below this many queries FAISS scans vector by vector, 10 times slower than blocked BLAS; its default is 128000.
    faiss.cvar.distance_compute_blas_threshold = 20
    # BLAS threads that spin for a core which another process holds make a search 20 times slower.
    faiss.omp_set_num_threads(1)


def unit_rows(vectors: FloatArray, dimension: int | None = None) -> NDArray[np.float32]:
    """Check `(n, d)` vectors and return them as contiguous float32.

    Raises:
        StrategyError: wrong shape, a value that is not finite, or a row that is not of length 1.
    """
    rows = np.ascontiguousarray(vectors, dtype=np.float32)
    if rows.ndim != 2 or (dimension is not None and rows.shape[1] != dimension):
        wanted = "(n, d)" if dimension is None else f"(n, {dimension})"
        raise StrategyError(f"Vectors have shape {rows.shape}, {wanted} was expected; embed with the same encoder.")
    lengths = np.einsum("ij,ij->i", rows, rows)
    bad = np.flatnonzero(~(np.abs(lengths - 1.0) <= 2 * UNIT_TOLERANCE))
    if len(bad):
        raise StrategyError(
            f"Vector {bad[0]} has squared length {lengths[bad[0]]:.4g} instead of 1; normalize the embeddings "
            "and leave out images that could not be embedded."
        )
    return rows


def threshold(radius: float) -> float:
    """The inner product above which FAISS keeps a neighbor within `radius`, its rounding included.

    Raises:
        StrategyError: a radius outside [0, 2].
    """
    if not 0.0 <= radius <= 2.0:
        raise StrategyError(f"The radius must be a cosine distance between 0 and 2, not {radius}.")
    # FAISS keeps what is strictly above
    return float(np.nextafter(1.0 - radius, -3.0)) - 1e-7


def sorted_neighbours(lims: NDArray[np.integer], similarity: NDArray[np.float32], positions: IntArray) -> Found:
    """Turn FAISS's answer of inner products into distances, nearest first, ties by lower position."""
    counts = np.diff(lims.astype(np.int64))
    query = np.repeat(np.arange(len(counts)), counts)
    distances = np.maximum(0.0, 1.0 - similarity).astype(np.float32)
    order = np.lexsort((positions, distances, query))
    return lims.astype(np.int64), distances[order], positions[order].astype(np.int64)


class NeighbourSearch:
    """Questions to a FAISS index of inner products; how many vectors a question meets is the index's affair.

    Args:
        dimension: d of the unit vectors.
        index: the FAISS index.
    """

    def __init__(self, dimension: int, index: faiss.Index) -> None:
        self.dimension = dimension
        self._index = index

    def __len__(self) -> int:
        return int(self._index.ntotal)

    def _rows(self, vectors: FloatArray) -> NDArray[np.float32]:
        """Vectors as the index takes them; every use of it begins here."""
        settle()
        return unit_rows(vectors, self.dimension)

    def add(self, vectors: FloatArray) -> None:
        """Append `(n, d)` unit vectors; they get the next n positions.

        Raises:
            StrategyError: see `unit_rows`.
        """
        rows = self._rows(vectors)
        if len(rows):
            self._index.add(rows)

    def within(self, queries: FloatArray, radius: float) -> Found:
        """The positions met whose cosine distance to a query is at most `radius` (to float32 rounding).

        Args:
            queries: `(n, d)` unit vectors.
            radius: cosine distance in [0, 2].

        Returns:
            `(lims (n + 1,) int64, distances float32, positions int64)`.

        Raises:
            StrategyError: see `unit_rows`; or a radius outside [0, 2].
        """
        rows = self._rows(queries)
        least = threshold(radius)
        if not len(rows) or not len(self):
            return np.zeros(len(rows) + 1, np.int64), np.zeros(0, np.float32), np.zeros(0, np.int64)
        lims, similarity, positions = self._index.range_search(rows, least)
        return sorted_neighbours(lims, similarity, positions)

    def nearest(self, queries: FloatArray, k: int) -> tuple[NDArray[np.float32], IntArray]:
        """The `k` nearest positions of each query, nearest first.

        Returns:
            `(n, k)` float32 distances and `(n, k)` int64 positions; `k` is cut to the size of the index. Where a search
            in cells met fewer: position -1, distance 2.

        Raises:
            StrategyError: see `unit_rows`; or `k` below 1.
        """
        rows = self._rows(queries)
        if k < 1:
            raise StrategyError(f"The number of neighbors must be at least 1, not {k}.")
        k = min(k, len(self))
        if not k or not len(rows):
            return np.zeros((len(rows), k), np.float32), np.zeros((len(rows), k), np.int64)
        similarity, positions = self._index.search(rows, k)
        return np.where(positions < 0, 2.0, np.maximum(0.0, 1.0 - similarity)).astype(np.float32), positions

    def vectors(self, positions: IntArray) -> NDArray[np.float32]:
        """`(k, d)` the vectors at these positions."""
        return np.asarray(self._index.reconstruct_batch(np.ascontiguousarray(positions, np.int64)), np.float32)


class VectorIndex(NeighbourSearch):
    """Exact search; right up to about 300,000 vectors, and for any number where exactness matters more than time.

    Holds nothing that cannot be rebuilt by adding the same vectors in the same order.

    Args:
        dimension: d of the unit vectors.

    Example:
        >>> index = VectorIndex(2)
        >>> index.add(np.eye(2, dtype=np.float32))
        >>> index.within(np.eye(2, dtype=np.float32), 0.5)[2].tolist()
        [0, 1]
    """

    def __init__(self, dimension: int) -> None:
        if dimension < 1:
            raise StrategyError(f"The dimension of an index must be at least 1, not {dimension}.")
        super().__init__(dimension, faiss.IndexFlatIP(dimension))
