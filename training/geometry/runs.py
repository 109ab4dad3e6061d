"""Run-length masks (COCO's compressed RLE) <-> small windows of pixels.

A mask is `{"size": [height, width], "counts": str}`; runs go down the columns and start with a run of zeros. Nothing
here ever holds a whole image per object: work and memory follow the object's window.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TypedDict

import numpy as np
from numpy.typing import NDArray
from pycocotools import mask as coco_mask

from training.types import TrainingError


class Runs(TypedDict):
    """A mask as COCO's files hold it.

    Attributes:
        size: `[height, width]` px.
        counts: run lengths as compressed text.
    """

    size: list[int]
    counts: str


Code = Mapping[str, object]
"""What should be runs, from a file of others: nothing about it is sure."""

Bitmap = NDArray[np.uint8]
IntArray = NDArray[np.int64]


def counts_of(runs: Code) -> IntArray:
    """Run lengths, zeros first; accepts compressed text, bytes and plain lists.

    Raises:
        TrainingError: the runs are damaged or do not add up to the size.
    """
    try:
        height, width = _size(runs)
        counts = runs["counts"]
        if isinstance(counts, str | bytes):
            values = _decompress(counts.encode("ascii") if isinstance(counts, str) else counts)
        else:
            values = np.asarray(counts, dtype=np.int64)
    except (KeyError, TypeError, ValueError, OverflowError, IndexError) as error:
        raise TrainingError(
            f"A mask is not a valid run-length code ({error}). Export the annotations again."
        ) from error
    if len(values) and values.min() < 0:
        raise TrainingError("A mask has negative run lengths; export the annotations again.")
    if int(values.sum()) != height * width:
        raise TrainingError(
            f"The runs of a mask cover {int(values.sum())} of {height * width} pixels; export the annotations again."
        )
    return values


def _size(runs: Code) -> tuple[int, int]:
    height, width = (int(side) for side in _listed(runs["size"]))
    return height, width


def _listed(value: object) -> Iterable[Any]:
    if not isinstance(value, Iterable):
        raise TypeError(f"{value!r} is no list")
    return value


def _decompress(text: bytes) -> IntArray:
    """COCO's code: 5 bits a character, bit 6 = more, two's complement; from the third on, differences to two before."""
    codes = np.frombuffer(text, dtype=np.uint8).astype(np.int64) - 48
    if not len(codes):
        return np.zeros(0, dtype=np.int64)
    if codes.min() < 0 or codes.max() > 63 or codes[-1] & 32:
        raise ValueError("a character is out of range or the code is cut off")
    ends = np.flatnonzero((codes & 32) == 0)
    starts = np.concatenate([[0], ends[:-1] + 1])
    if (ends - starts).max() > 11:
        raise ValueError("a number is too long")
    place = np.arange(len(codes)) - np.repeat(starts, ends - starts + 1)
    values = np.add.reduceat((codes & 31) << (5 * place), starts)
    values = np.where(codes[ends] & 16, values - (1 << (5 * (ends - starts + 1))), values)
    # x[i] = v[i] + x[i - 2] from the fourth number on: two interleaved running sums.
    counts = values.copy()
    counts[1::2] = np.cumsum(values[1::2])
    counts[2::2] = np.cumsum(values[2::2])
    return counts


def box_of(runs: Code) -> tuple[int, int, int, int] | None:
    """A window `x1 y1 x2 y2` in whole px (ends exclusive) that holds the mask; None for an empty one.

    Tight in x; in y it spans the whole height where a run wraps from one column to the next.
    """
    return _box(*_filled(counts_of(runs)), _size(runs)[0])


def _filled(counts: IntArray) -> tuple[IntArray, IntArray]:
    """First pixel of each run of ones and the first after it."""
    ends = np.cumsum(counts)
    first, last = ends[0::2][: len(counts) // 2], ends[1::2]
    filled = last > first
    return (first, last) if filled.all() else (first[filled], last[filled])


def _box(first: IntArray, after: IntArray, height: int) -> tuple[int, int, int, int] | None:
    if not len(first):
        return None
    last = after - 1
    x1, x2 = int(first[0] // height), int(last[-1] // height) + 1
    crosses = bool(np.any(first // height != last // height))
    y1 = 0 if crosses else int((first % height).min())
    y2 = height if crosses else int((last % height).max()) + 1
    return x1, y1, x2, y2


def window(runs: Code, box: tuple[int, int, int, int]) -> Bitmap:
    """The pixels of a mask inside `x1 y1 x2 y2` (whole px, inside the image) as `(h, w)` uint8 of 0 and 1."""
    return _window(*_filled(counts_of(runs)), _size(runs)[0], box)


def _window(first: IntArray, last: IntArray, height: int, box: tuple[int, int, int, int]) -> Bitmap:
    x1, y1, x2, y2 = box
    inside = (last > x1 * height) & (first < x2 * height)
    first = np.maximum(first[inside], x1 * height) - x1 * height
    last = np.minimum(last[inside], x2 * height) - x1 * height
    steps = np.zeros((x2 - x1) * height + 1, dtype=np.int8)
    # No two runs begin at one pixel, so plain indexing adds up.
    steps[first] += 1
    steps[last] -= 1
    columns = np.cumsum(steps[:-1], dtype=np.int8).reshape(x2 - x1, height)
    return np.ascontiguousarray(columns[:, y1:y2].T).astype(np.uint8)


def trim(runs: Code) -> tuple[tuple[int, int], Bitmap]:
    """The corner (x, y) and the pixels of a mask's tight window; an empty mask has a window of `(0, 0)`."""
    height = _size(runs)[0]
    first, last = _filled(counts_of(runs))
    box = _box(first, last, height)
    if box is None:
        return (0, 0), np.zeros((0, 0), dtype=np.uint8)
    bitmap = _window(first, last, height, box)
    rows = np.flatnonzero(bitmap.any(axis=1))
    return (box[0], box[1] + int(rows[0])), bitmap[rows[0] : rows[-1] + 1]


def from_window(bitmap: NDArray[np.generic], corner: tuple[int, int], size: tuple[int, int]) -> Runs:
    """The mask of an image of `size` (height, width) whose pixels from `corner` (x, y) on are `bitmap`; the rest is 0.

    Parts of the bitmap outside the image are cut off.
    """
    height, width = size
    x, y = corner
    bitmap = bitmap[max(0, -y) : max(0, height - y), max(0, -x) : max(0, width - x)]
    x, y = max(0, x), max(0, y)
    padded = np.zeros((bitmap.shape[1], bitmap.shape[0] + 2), dtype=np.int8)
    padded[:, 1:-1] = bitmap.T != 0
    steps = np.diff(padded, axis=1)
    column, first = np.nonzero(steps == 1)
    _, last = np.nonzero(steps == -1)
    starts, stops = (column + x) * height + first + y, (column + x) * height + last + y
    # A run that touches the lower edge and one that begins at the upper edge of the next column are one run.
    joined = np.flatnonzero(starts[1:] == stops[:-1])
    starts, stops = np.delete(starts, joined + 1), np.delete(stops, joined)
    bounds = np.stack([starts, stops], axis=1).ravel()
    counts = np.diff(np.concatenate([[0], bounds, [height * width]]))
    return compress(counts if counts[-1] else counts[:-1], size)


def compress(counts: Sequence[int] | IntArray, size: tuple[int, int]) -> Runs:
    """Plain run lengths -> compressed text."""
    height, width = (int(side) for side in size)
    plain = {"size": [height, width], "counts": [int(count) for count in counts]}
    packed = coco_mask.frPyObjects(plain, height, width)
    return {"size": [height, width], "counts": packed["counts"].decode("ascii")}


def mask_iou(first: Sequence[Runs], second: Sequence[Runs]) -> NDArray[np.float64]:
    """Intersection over union of every pair of masks, `(r, s)`."""
    if not first or not second:
        return np.zeros((len(first), len(second)))
    return np.asarray(coco_mask.iou(list(first), list(second), [0] * len(second)))


def pixels(runs: Code) -> int:
    """How many px per mask covers."""
    return int(counts_of(runs)[1::2].sum())
