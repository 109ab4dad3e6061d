"""Label Studio's brush code <-> run-length masks, without an RGBA picture in between.

The code is a bit stream: 32 bits number of values, 5 bits word size - 1, four times 4 bits width of a length - 1, then
runs (bit 1, kind of length, length - 1, one value) and literals (bit 0, kind, length - 1, that many values). The
values are the bytes of an RGBA picture, row by row; the mask is its alpha.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from ml_backend.errors import BadRequest
from training.geometry.runs import Runs, from_window, trim

LENGTH_BITS = (3, 4, 8, 16)
OPAQUE = 255


def decode_brush(code: Sequence[int], size: tuple[int, int]) -> Runs:
    """The mask of a brush region; a pixel belongs to it when its alpha is above 0.

    Args:
        code: bytes as numbers 0 to 255, as `value.rle` holds them.
        size: `(height, width)` px of the image.

    Raises:
        BadRequest: the code is damaged or made for an image of another size.
    """
    height, width = size
    starts, lengths, values = _runs(code, 4 * height * width)
    # Of the values of a run, those at 3, 7, 11, ... are alpha: pixel p has its alpha at 4 p + 3.
    first, last = starts // 4, (starts + lengths) // 4
    filled = (values > 0) & (last > first)
    first, last = first[filled], last[filled]
    if not len(first):
        return from_window(np.zeros((1, 1), dtype=np.uint8), (0, 0), size)
    y1, y2 = int(first[0] // width), int((last[-1] - 1) // width) + 1
    steps = np.zeros((y2 - y1) * width + 1, dtype=np.int32)
    np.add.at(steps, first - y1 * width, 1)
    np.add.at(steps, last - y1 * width, -1)
    bitmap = np.cumsum(steps[:-1]).reshape(y2 - y1, width) > 0
    columns = np.flatnonzero(bitmap.any(axis=0))
    return from_window(bitmap[:, columns[0] : columns[-1] + 1], (int(columns[0]), y1), size)


def encode_brush(mask: Runs) -> list[int]:
    """The brush code of a mask, byte for byte what Label Studio's own converter writes for alpha 255."""
    height, width = (int(side) for side in mask["size"])
    (x, y), bitmap = trim(mask)
    padded = np.zeros((bitmap.shape[0], bitmap.shape[1] + 2), dtype=np.int8)
    padded[:, 1:-1] = bitmap
    steps = np.diff(padded, axis=1)
    row, first = np.nonzero(steps == 1)
    _, last = np.nonzero(steps == -1)
    starts, ends = 4 * ((row + y) * width + first + x), 4 * ((row + y) * width + last + x)
    # The end of a row and the start of the next are one run.
    meet = np.flatnonzero(starts[1:] == ends[:-1])
    starts, ends = np.delete(starts, meet + 1), np.delete(ends, meet)
    edges = [0, *np.stack([starts, ends], axis=1).ravel().tolist(), 4 * height * width]
    bits = [f"{4 * height * width:032b}", f"{7:05b}", *(f"{length - 1:04b}" for length in LENGTH_BITS)]
    for index, (start, end) in enumerate(pairwise(edges)):
        if end > start:
            bits.extend(_run_bits(end - start, OPAQUE if index % 2 else 0))
    return _bytes("".join(bits))


def _run_bits(length: int, value: int) -> list[str]:
    bits = []
    while length > 1 << 16:
        bits.append(f"111{(1 << 16) - 1:016b}{value:08b}")
        length -= 1 << 16
    if length == 1:
        return [*bits, f"000{0:03b}{value:08b}"]
    kind = next(index for index, size in enumerate(LENGTH_BITS) if length <= 1 << size)
    return [*bits, f"1{kind:02b}{length - 1:0{LENGTH_BITS[kind]}b}{value:08b}"]


def _bytes(bits: str) -> list[int]:
    bits += "0" * (8 - len(bits) % 8)
    return list(int(bits, 2).to_bytes(len(bits) // 8, "big"))


def _runs(code: Sequence[int], expected: int) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Start, length and value of every run of values."""
    try:
        # `bytes` of a number would be that many zeros.
        stream = _Bits(bytes(list(code)))
        count = stream.read(32)
        word = stream.read(5) + 1
        sizes = [stream.read(4) + 1 for _ in range(4)]
        if count != expected:
            raise BadRequest(
                f"A brush region has {count // 4} pixels, but its image has {expected // 4}. Draw it again."
            )
        starts, lengths, values, position = [], [], [], 0
        while position < count:
            repeated = stream.read(1)
            length = stream.read(sizes[stream.read(2)]) + 1
            for _ in range(1 if repeated else length):
                run = length if repeated else 1
                starts.append(position)
                lengths.append(run)
                values.append(stream.read(word))
                position += run
    except (ValueError, IndexError, TypeError) as error:
        raise BadRequest("The data of a brush region is damaged. Draw it again.") from error
    return np.array(starts), np.array(lengths), np.array(values)


class _Bits:
    """Reads numbers of some bits from bytes, most significant first."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._position = 0

    def read(self, bits: int) -> int:
        start, end = self._position, self._position + bits
        if end > 8 * len(self._data):
            raise ValueError("it ends too early")
        self._position = end
        chunk = self._data[start >> 3 : (end + 7) >> 3]
        return (int.from_bytes(chunk, "big") >> (-end % 8)) & ((1 << bits) - 1)
