"""Greedy cover by balls of one radius: each pair is looked at once, each item is taken off the counts once."""

from __future__ import annotations

from functools import partial

import numpy as np
from numpy.typing import NDArray

from strategies._math.kmeans import kmeans
from strategies._math.threads import each
from strategies.base import BoolArray, FloatArray, IntArray

Float32 = NDArray[np.float32]
Words = NDArray[np.uint64]

BLOCK_ROWS = 512
BLOCK_COLUMNS = 2048
"""Both multiples of 8, the bits of a byte; the product of two blocks stays in the cache until it is read."""
QUERIES = 500
RECOUNTED = 64


def pure_radius(
    vectors: FloatArray, positions: IntArray, classes: int, purity: float, rng: np.random.Generator
) -> float:
    """Largest radius at which a share `purity` of the balls holds one k-means cluster only.

    A ball is pure while its radius is below the distance to the nearest item of another cluster, so the radius is a
    quantile of those distances; measured on a sample of 500 balls.
    """
    count = min(classes, len(positions))
    label, _ = kmeans(vectors, positions, count, rng)
    if len(np.unique(label)) < 2:
        return 1.0
    chosen: IntArray = np.arange(len(positions), dtype=np.int64)
    if len(chosen) > QUERIES:
        chosen = np.sort(rng.choice(len(chosen), QUERIES, replace=False))
    # Sorted by cluster, an item's own cluster is one slice.
    by_cluster = np.argsort(label, kind="stable")
    edges = np.searchsorted(label[by_cluster], np.arange(count + 1))
    rows = np.asarray(vectors[positions[by_cluster]], dtype=np.float32)
    similarity = np.asarray(vectors[positions[chosen]], dtype=np.float32) @ rows.T
    for place, own in enumerate(label[chosen]):
        similarity[place, edges[own] : edges[own + 1]] = -2
    gaps = np.sort(np.sqrt(np.maximum(2 - 2 * similarity.max(axis=1), 0)))
    # A hair below the distance, so that rounding does not let the neighbor in.
    return float(gaps[int((1 - purity) * (len(gaps) - 1))]) * (1 - 1e-5)


class BallCover:
    """Which uncovered items lie within the radius of each item; one bit a pair.

    Args:
        vectors: `(n, d)` unit vectors.
        positions: `(m,)` positions to pick from and to cover.
        radius: Euclidean distance.
        centres: `(l,)` positions that cover already.
    """

    def __init__(self, vectors: FloatArray, positions: IntArray, radius: float, centres: IntArray) -> None:
        rows = np.asarray(vectors[positions], dtype=np.float32)
        least = np.float32(1 - radius * radius / 2 - 1e-6)
        covered = np.zeros(len(rows), dtype=bool)
        for start in range(0, len(centres), BLOCK_ROWS):
            block = np.asarray(vectors[centres[start : start + BLOCK_ROWS]], dtype=np.float32)
            covered |= ((block @ rows.T) >= least).any(axis=0)
        self._open = _words(~covered[None])[0]
        self._near = self._graph(rows, least)
        self.counts = self._count(self._near)

    def _graph(self, rows: Float32, least: np.float32) -> Words:
        """One bit a pair `(m, words)`; products of two blocks are taken once, their bits turned for the other half."""
        bits = np.zeros((len(rows), -(-len(rows) // 64) * 8), dtype=np.uint8)
        each(partial(_fill, bits, rows, least), range(0, len(rows), BLOCK_ROWS))
        return bits.view(np.uint64)

    def picks(self, count: int, rng: np.random.Generator) -> tuple[IntArray, NDArray[np.float64], NDArray[np.float64]]:
        """The next picks `(count,)`, how many each covered `(count,)`, and what is left for each item `(m,)`.

        Counts only fall, so old ones are bounds and only the highest are counted again.
        """
        noise = rng.permutation(len(self.counts)) / (2.0 * len(self.counts))
        scores = self.counts + noise
        fresh = np.ones(len(scores), dtype=bool)
        chosen: list[int] = []
        reached: list[float] = []
        while len(chosen) < count:
            best = int(scores.argmax())
            while not fresh[best]:
                width = min(RECOUNTED, len(scores))
                top = np.argpartition(scores, len(scores) - width)[-width:]
                stale = top[~fresh[top] & np.isfinite(scores[top])]
                scores[stale] = self._count(self._near[stale]) + noise[stale]
                fresh[stale] = True
                best = int(scores.argmax())
            chosen.append(best)
            reached.append(float(np.floor(scores[best])))
            scores[best] = -np.inf
            self._open &= ~self._near[best]
            fresh[:] = False
        self.counts = self._count(self._near)
        return np.array(chosen, dtype=np.int64), np.array(reached), self.counts.astype(np.float64)

    def _count(self, near: Words) -> IntArray:
        """How many uncovered items each row of bits `(m, words)` holds."""
        return np.asarray(np.bitwise_count(near & self._open).sum(axis=1, dtype=np.int64))


def _fill(bits: NDArray[np.uint8], rows: Float32, least: np.float32, start: int) -> None:
    """Set the bits of `BLOCK_ROWS` items and all later ones, both ways."""
    left = rows[start : start + BLOCK_ROWS]
    # One piece of memory for all products: fresh pages for each would cost a fifth of the time.
    product = np.empty(len(left) * BLOCK_COLUMNS, dtype=np.float32)
    for first in range(start, len(rows), BLOCK_COLUMNS):
        right = rows[first : first + BLOCK_COLUMNS]
        block = product[: len(left) * len(right)].reshape(len(left), len(right))
        near = np.matmul(left, right.T, out=block) >= least
        if first == start:
            np.fill_diagonal(near, True)
        packed = np.packbits(near, axis=1)
        bits[start : start + len(left), first // 8 : first // 8 + packed.shape[1]] = packed
        turned = packed_down(near)
        bits[first : first + len(right), start // 8 : start // 8 + len(turned)] = turned.T


def _words(flags: BoolArray) -> Words:
    """Rows of flags `(m, n)` as bits, 64 a word."""
    packed = np.packbits(flags, axis=1)
    out = np.zeros((len(packed), -(-packed.shape[1] // 8) * 8), dtype=np.uint8)
    out[:, : packed.shape[1]] = packed
    return out.view(np.uint64)


def packed_down(flags: BoolArray) -> NDArray[np.uint8]:
    """`packbits` along the first axis, `(b, n)` -> `(b / 8, n)`, in whole rows instead of column by column."""
    missing = -len(flags) % 8
    if missing:
        flags = np.concatenate([flags, np.zeros((missing, flags.shape[1]), dtype=bool)])
    planes = flags.view(np.uint8).reshape(len(flags) // 8, 8, flags.shape[1])
    out = planes[:, 0].copy()
    for bit in range(1, 8):
        out <<= np.uint8(1)
        out |= planes[:, bit]
    return out
