"""Checks on the pixels that an image shows the same specimen as the representative of the group that it joins."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from pathlib import Path

import numpy as np

from ml_backend.errors import ImageError
from strategies.near_duplicates.verification.pairs import Rules, compare
from strategies.near_duplicates.verification.picture import Picture, take_picture
from training.data.images import ImageDecodeError, load_rgb

REMEMBERED = 256


class PixelCheck:
    """Compares images by item id; the most recent ones stay in memory.

    Args:
        path_of: where the image of an item lies; may raise `ImageError`.
        max_pixels: larger images are not decoded.
        rules: what counts as the same.
    """

    def __init__(self, path_of: Callable[[int], Path], max_pixels: int, rules: Rules | None = None) -> None:
        def take(item_id: int) -> Picture | None:
            try:
                return take_picture(load_rgb(path_of(item_id), max_pixels=max_pixels))
            except (ImageDecodeError, ImageError, OSError):
                return None

        self._rules = rules
        self._picture = lru_cache(maxsize=REMEMBERED)(take)

    def same(self, first: int, second: int) -> bool:
        """Whether two items show the same specimen; False if an image is not available."""
        a, b = self._picture(first), self._picture(second)
        if a is None or b is None:
            return False
        # empty fields have nothing to compare but their equality
        return _equal(a, b) or compare(a, b, self._rules) is not None


def _equal(first: Picture, second: Picture) -> bool:
    return (
        first.size == second.size
        and np.array_equal(first.grey, second.grey)
        and np.array_equal(first.colour, second.colour)
    )
