"""Greedy maximization of weighted kernel coverage, lazily.

C(S) = sum_j w_j max_{s in S} k(s, j) is submodular: what a candidate would add only falls as others are picked, so a
gain computed earlier is an upper bound and only the best few candidates are computed again before each pick (Minoux
1978, Accelerated Greedy Algorithms for Maximizing Submodular Set Functions). The picks are those of plain greedy.
"""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
from numpy.typing import NDArray

from strategies._math.threads import each, spans
from strategies.base import FloatArray, IntArray

Float32 = NDArray[np.float32]
Kernel = Callable[[Float32], Float32]
"""Inner products of unit vectors -> similarities in [0, 1], in place."""

KEPT_BYTES = 1 << 29
BLOCK_BYTES = 1 << 23
REFRESHED = 32


def gaussian(width: float) -> Kernel:
    """k = exp(-||a - b||^2 / (2 width^2)) of unit vectors."""
    inverse = np.float32(1.0 / max(width, 1e-6) ** 2)

    def kernel(similarity: Float32) -> Float32:
        similarity -= np.float32(1)
        similarity *= inverse
        np.minimum(similarity, np.float32(0), out=similarity)
        if similarity.size:
            # Three times as fast as numpy's, and as exact.
            cv2.exp(similarity, dst=similarity)
        return similarity

    return kernel


def rows_of(vectors: FloatArray, positions: IntArray) -> Float32:
    """A float32 copy of some rows."""
    return np.asarray(vectors[positions], dtype=np.float32)


def median_distance(vectors: FloatArray, positions: IntArray, rng: np.random.Generator, sample: int = 1000) -> float:
    """Median Euclidean distance of pairs of a sample; 1 where all vectors are equal."""
    chosen = positions if len(positions) <= sample else np.sort(rng.choice(positions, sample, replace=False))
    rows = rows_of(vectors, chosen)
    similarity = (rows @ rows.T)[np.triu_indices(len(rows), 1)]
    squared = np.maximum(2.0 - 2.0 * similarity, 0.0)
    middle = float(np.sqrt(np.median(squared))) if len(squared) else 0.0
    return middle if middle > 1e-3 else 1.0


class Coverage:
    """The growing coverage of weighted targets by picked candidates.

    Args:
        vectors: `(n, d)` unit vectors.
        candidates: `(m,)` positions to pick from.
        targets: `(t,)` positions to cover.
        weights: `(t,)` non-negative weights of the targets.
        kernel: similarity.
        centres: `(l,)` positions that cover already.
    """

    def __init__(
        self,
        vectors: FloatArray,
        candidates: IntArray,
        targets: IntArray,
        weights: FloatArray,
        kernel: Kernel,
        centres: IntArray,
    ) -> None:
        self._vectors = vectors
        self._candidates = candidates
        self._targets = rows_of(vectors, targets)
        self._weights = np.asarray(weights, dtype=np.float32)
        self._kernel = kernel
        self._covered = np.zeros(len(targets), dtype=np.float32)
        self._cover(centres)
        self._kept: Float32 | None = None
        if 4 * len(candidates) * len(targets) <= KEPT_BYTES:
            self._kept = np.empty((len(candidates), len(targets)), dtype=np.float32)
        self.gains = self._first_gains()

    def _similar(self, positions: IntArray) -> Float32:
        return self._kernel(rows_of(self._vectors, positions) @ self._targets.T)

    def _step(self) -> int:
        return max(1, BLOCK_BYTES // (4 * max(1, len(self._targets))))

    def _cover(self, centres: IntArray) -> None:
        for start in range(0, len(centres), self._step()):
            block = self._similar(centres[start : start + self._step()])
            np.maximum(self._covered, block.max(axis=0), out=self._covered)

    def _first_gains(self) -> NDArray[np.float64]:
        gains = np.empty(len(self._candidates), dtype=np.float64)

        def work(part: tuple[int, int]) -> None:
            block = self._similar(self._candidates[slice(*part)])
            if self._kept is not None:
                self._kept[slice(*part)] = block
            gains[slice(*part)] = self._added(block)

        each(work, spans(len(gains), self._step()))
        return gains

    def _added(self, block: Float32) -> Float32:
        block = block - self._covered
        np.maximum(block, np.float32(0), out=block)
        return np.asarray(block @ self._weights)

    def _row(self, members: IntArray) -> Float32:
        return self._kept[members] if self._kept is not None else self._similar(self._candidates[members])

    def picks(self, count: int) -> tuple[IntArray, NDArray[np.float64], NDArray[np.float64]]:
        """The next picks.

        Returns:
            Indices into `candidates` `(count,)`, what each added `(count,)`, and what each added with all
            weights 1 `(count,)`.
        """
        open_gains = self.gains.copy()
        fresh = np.zeros(len(open_gains), dtype=bool)
        chosen: list[int] = []
        added: list[float] = []
        counted: list[float] = []
        while len(chosen) < count:
            best = self._best(open_gains, fresh)
            row = self._row(np.array([best]))[0]
            chosen.append(best)
            added.append(float(open_gains[best]))
            counted.append(float(np.maximum(row - self._covered, 0).sum()))
            np.maximum(self._covered, row, out=self._covered)
            self.gains[best] = 0.0
            open_gains[best] = -np.inf
            fresh[:] = False
        left = np.isfinite(open_gains)
        self.gains[left] = open_gains[left]
        # Rounding may make a later gain exceed an earlier one by a hair; utilities must not.
        return np.array(chosen, np.int64), np.minimum.accumulate(np.array(added, np.float64)), np.array(counted)

    def _best(self, gains: NDArray[np.float64], fresh: NDArray[np.bool_]) -> int:
        """The candidate of highest true gain; `gains` are bounds, exact where `fresh`."""
        while True:
            best = int(gains.argmax())
            if fresh[best]:
                return best
            count = min(REFRESHED, len(gains))
            top = np.argpartition(gains, len(gains) - count)[-count:]
            stale = top[~fresh[top] & np.isfinite(gains[top])]
            gains[stale] = np.minimum(gains[stale], self._added(self._row(stale)))
            fresh[stale] = True
