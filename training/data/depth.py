"""Pixels of any depth -> 8 bits, as people see them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

RGBArray = NDArray[np.uint8]
Numbers = NDArray[Any]

_ROWS = 256
"""Rows worked on at a time: large pictures are never held as 64-bit numbers."""

_USED_BITS = (8, 10, 12, 14, 16, 32)


class NothingToSeeError(ValueError):
    """A picture without one finite value."""


def to_byte(values: Numbers) -> RGBArray:
    """Scale a picture from its own range (lowest to highest finite value of all its channels) to 0..255.

    Args:
        values: `(h, w)` or `(h, w, channels)`, any integer or float type.

    Raises:
        NothingToSeeError: no value is finite.
    """
    low, high = _range(values)
    span = high / 2 - low / 2
    byte = np.empty(values.shape, dtype=np.uint8)
    for rows in _blocks(len(values)):
        with np.errstate(invalid="ignore"):  # a signalling NaN, of which damaged files are full
            block = values[rows].astype(np.float64)
        if span:
            # Halved, for the span of two finite values need not be finite.
            block = (np.nan_to_num(block, nan=low, posinf=high, neginf=low) / 2 - low / 2) * 255.0 / span
        else:
            # An even picture has no range of its own: read it as part of 0..255 or of the 16 bits.
            block[:] = min(max(high / (255.0 if high <= 255 else 65535.0), 0.0), 1.0) * 255
        byte[rows] = np.rint(block)
    return byte


def over_white(colour: RGBArray, alpha: NDArray[np.uint8], *, premultiplied: bool = False) -> RGBArray:
    """Lay a picture with transparency over white.

    Args:
        colour: `(h, w)` or `(h, w, 3)`.
        alpha: `(h, w)`, 255 is opaque.
        premultiplied: whether the colors are stored times their alpha.
    """
    seen = np.empty_like(colour)
    for rows in _blocks(len(colour)):
        part, cover = colour[rows].astype(np.uint32), alpha[rows].astype(np.uint32)
        if colour.ndim == 3:
            cover = cover[..., None]
        inked = part * 255 if premultiplied else part * cover
        seen[rows] = np.minimum((inked + (255 - cover) * 255 + 127) // 255, 255)
    return seen


def alpha_byte(alpha: Numbers, colour: Numbers) -> NDArray[np.uint8]:
    """The alpha of a deep picture as 0..255.

    Cameras of 12 bits write alpha on their own scale too: the scale is that of the bits that color and alpha use.
    """
    if alpha.dtype.kind == "f":
        full = 1.0
    else:
        most = max(int(alpha.max()), int(colour.max()), 1)
        full = float(next((2**bits - 1 for bits in _USED_BITS if most < 2**bits), most))
    byte = np.empty(alpha.shape, dtype=np.uint8)
    for rows in _blocks(len(alpha)):
        byte[rows] = np.rint(np.clip(np.nan_to_num(alpha[rows].astype(np.float64)) / full, 0.0, 1.0) * 255)
    return byte


def divided(colour: Numbers, alpha: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Colors that are stored times their alpha, as they were before; 0 where nothing is covered."""
    plain = np.zeros(colour.shape, dtype=np.float32)
    for rows in _blocks(len(colour)):
        cover = (alpha[rows].astype(np.float32) / 255)[(...,) + (None,) * (colour.ndim - 2)]
        np.divide(colour[rows], cover, out=plain[rows], where=cover > 0)
    return plain


def _range(values: Numbers) -> tuple[float, float]:
    low, high = np.inf, -np.inf
    for rows in _blocks(len(values)):
        block = values[rows]
        finite = block[np.isfinite(block)] if block.dtype.kind == "f" else block
        if finite.size:
            low, high = min(low, float(finite.min())), max(high, float(finite.max()))
    if low > high:
        raise NothingToSeeError
    return low, high


def _blocks(height: int) -> Iterator[slice]:
    return (slice(top, top + _ROWS) for top in range(0, height, _ROWS))
