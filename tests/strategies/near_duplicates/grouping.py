"""Groups of a few vectors in one call."""

from __future__ import annotations

import numpy as np

from strategies.near_duplicates.groups import Confirm, Grouper
from strategies.near_duplicates.index import VectorIndex


def grouped(
    vectors: np.ndarray, radius: float, known: np.ndarray | None = None, confirm: Confirm | None = None
) -> list[int]:
    """The group of each of `(n, d)` vectors in order of arrival; groups 0 to m - 1 have the `known` representatives."""
    index = VectorIndex(vectors.shape[1])
    if known is not None:
        index.add(known)
    numbers: list[int] = Grouper(index, radius, confirm).assign(vectors).tolist()
    return numbers
