"""Memory that is used again for each chunk: fresh pages for every chunk cost more than the arithmetic."""

from __future__ import annotations

import math
import threading

import numpy as np
from numpy.typing import NDArray

KEPT = 1 << 19
"""Numbers a thread keeps under one name; larger arrays are made anew."""


class _Shelf(threading.local):
    def __init__(self) -> None:
        self.arrays: dict[str, NDArray[np.float32]] = {}


_SHELF = _Shelf()


def scratch(name: str, shape: tuple[int, ...]) -> NDArray[np.float32]:
    """A float32 array of this shape with anything in it, good until this thread asks for the name again."""
    size = math.prod(shape)
    if size > KEPT:
        return np.empty(shape, dtype=np.float32)
    kept = _SHELF.arrays.get(name)
    if kept is None or len(kept) < size:
        kept = _SHELF.arrays[name] = np.empty(size, dtype=np.float32)
    return kept[:size].reshape(shape)
