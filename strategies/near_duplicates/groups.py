"""Groups of near-duplicates: each has one representative, and every member lies within the radius of it.

Single-link groups chain: a slow change over many images ends in one group of unlike images. Here a vector joins the
nearest representative within the radius, or becomes one. That is decided in order of arrival and never revised, so
existing groups do not change when images arrive, and any batching of the same order gives the same groups.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from strategies.base import FloatArray, IntArray, StrategyError
from strategies.near_duplicates.frames import FrameIndex, Near
from strategies.near_duplicates.index import NeighbourSearch, VectorIndex, unit_rows

DEFAULT_RADIUS = 0.03
"""Cosine distance for the default encoder. Among 240 images of six microscopy sets the nearest unlike one was 0.054
away; 0.03 caught 57 % of copies at half size, 28 % of strong JPEG copies, 8 % of mirrored and no turned ones. Where
more is wanted, a wider radius needs `confirm`, the look at the pixels."""

MOST_CHECKS = 3
"""Nearest representatives that `confirm` is asked about."""

Confirm = Callable[[int, int], bool]
"""Asked with the row of the vectors at hand and the number of a group: do both images show the same?"""

BLOCK = 1024
# Float32 sums of a batched product differ with the batch, and lengths may be off by `UNIT_TOLERANCE`: FAISS proposes
# a bit more, `cosine_distances` decides.
ROUNDING = 5e-3


class Grouper:
    """Groups that grow as vectors arrive; holds the representatives of all groups in order of creation.

    Args:
        index: the representatives so far; new ones are added to it. An `ApproximateIndex` is right from about 300,000.
        radius: largest cosine distance between a member and its representative.
        confirm: asked about the nearest representatives before a vector joins; without it the distance decides.
        frames: frames of the representatives; where given, those with an alike frame are asked about too.

    Raises:
        StrategyError: radius outside [0, 2).
    """

    def __init__(
        self,
        index: NeighbourSearch,
        radius: float = DEFAULT_RADIUS,
        confirm: Confirm | None = None,
        frames: FrameIndex | None = None,
    ) -> None:
        if not 0.0 <= radius < 2.0:
            raise StrategyError(
                f"The duplicate radius must be a cosine distance of at least 0 and below 2, not {radius}."
            )
        self.index, self.radius, self._confirm, self._frames = index, radius, confirm, frames
        self._created: list[int] = []
        self._known = len(index)

    def assign(self, vectors: FloatArray, frames: FloatArray | None = None) -> IntArray:
        """The group number of each of `(n, d)` vectors; a number that was not there before is a new group.

        Args:
            vectors: in order of arrival.
            frames: `(n, 256)` of the same images, see `frames.frame`; used where the grouper has frames.

        Raises:
            StrategyError: vectors that are not finite, not of length 1, or of another dimension.
        """
        rows = unit_rows(vectors)
        self._created, self._known = [], len(self.index)
        numbers = np.empty(len(rows), np.int64)
        for start in range(0, len(rows), BLOCK):
            part = slice(start, start + BLOCK)
            numbers[part] = self._assign_block(rows[part], start, None if frames is None else frames[part])
        return numbers

    def founder(self, number: int) -> int | None:
        """The row of the vectors at hand that founded a group, None for a group that was there before."""
        return None if number < self._known else self._created[number - self._known]

    def _assign_block(self, block: NDArray[np.float32], start: int, frames: FloatArray | None) -> IntArray:
        reach = min(2.0, self.radius + ROUNDING)
        lims, _, positions = self.index.within(block, reach)
        old = self.index.vectors(positions) if len(positions) else block[:0]
        near_lims, near = _inside(block, reach)
        alike, alike_inside = self._alike(frames, len(block))
        numbers = np.empty(len(block), np.int64)
        created: list[int] = []
        number_of: dict[int, int] = {}
        for row in range(len(block)):
            here = slice(lims[row], lims[row + 1])
            fresh = [p for p in near[near_lims[row] : near_lims[row + 1]].tolist() if p in number_of]
            candidates = np.array([*positions[here], *(number_of[p] for p in fresh)], np.int64)
            found = _distances(block[row], np.concatenate([old[here], block[fresh]]), candidates, self.radius)
            turned = alike[row] | {number_of[p]: far for p, far in alike_inside[row].items() if p in number_of}
            number = self._first_confirmed(start + row, self._nearest_first(found, turned))
            if number is None:
                number = number_of[row] = len(self.index) + len(created)
                created.append(row)
                self._created.append(start + row)
            numbers[row] = number
        if self._frames is not None and frames is not None:
            self._frames.add(frames[created], len(self.index) + np.arange(len(created)))
        self.index.add(block[created])
        return numbers

    def _alike(self, frames: FloatArray | None, count: int) -> tuple[Near, Near]:
        """Numbers of alike frames that are known, and rows of alike ones in the block."""
        if self._frames is None or frames is None:
            return [{} for _ in range(count)], [{} for _ in range(count)]
        return self._frames.near(frames), self._frames.near_each_other(frames)

    def _nearest_first(self, found: dict[int, float], turned: dict[int, float]) -> list[int]:
        """Numbers by their distance in parts of the radius (ties: the older one)."""
        parts = {number: far / max(self.radius, 1e-12) for number, far in found.items()}
        if self._frames is not None:
            for number, far in turned.items():
                parts[number] = min(far / max(self._frames.radius, 1e-12), parts.get(number, np.inf))
        return sorted(parts, key=lambda number: (parts[number], number))

    def _first_confirmed(self, row: int, numbers: list[int]) -> int | None:
        if self._confirm is None:
            return numbers[0] if numbers else None
        return next((number for number in numbers[:MOST_CHECKS] if self._confirm(row, number)), None)


def _inside(block: NDArray[np.float32], reach: float) -> tuple[IntArray, IntArray]:
    """Neighbors within a block."""
    index = VectorIndex(block.shape[1])
    index.add(block)
    lims, _, positions = index.within(block, reach)
    return lims, positions


def _distances(
    vector: NDArray[np.float32], vectors: NDArray[np.float32], numbers: IntArray, radius: float
) -> dict[int, float]:
    """Number -> distance of the vectors within the radius."""
    if not len(numbers):
        return {}
    distances = cosine_distances(vector, vectors)
    inside = np.flatnonzero(distances <= radius)
    return dict(zip(numbers[inside].tolist(), distances[inside].tolist(), strict=True))


def cosine_distances(vector: NDArray[np.float32], vectors: NDArray[np.float32]) -> NDArray[np.float64]:
    """Distances of one vector to `(k, d)` others, bit for bit the same whatever else is in the batch.

    Half the squared chord of the normalized vectors: exactly 0 for equal ones, where 1 - dot is off by rounding.
    """
    return np.asarray(np.sum((_normalised(vectors) - _normalised(vector[None])) ** 2, axis=1) / 2.0)


def _normalised(vectors: NDArray[np.float32]) -> NDArray[np.float64]:
    exact = vectors.astype(np.float64)
    return np.asarray(exact / np.sqrt(np.sum(exact * exact, axis=1, keepdims=True)))
