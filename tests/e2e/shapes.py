"""When two regions are the same: within 1e-3 px, masks to the pixel."""

from __future__ import annotations

import numpy as np

from ml_backend.label_studio.regions.shapes import Brush, Shape, Size, mask_of, value_of
from tests.e2e.seen import Bitmap
from training.geometry.runs import window

CLOSE = 1e-3
"""px, and degrees of rotation."""


def bitmap_of(shape: Shape, size: Size) -> Bitmap:
    """The px of a shape over an image of `(height, width)` px."""
    height, width = size
    return np.asarray(window(mask_of(shape, size), (0, 0, width, height))) > 0


def assert_same(found: Shape, sent: Shape, size: Size) -> None:
    """Fail when two shapes over an image of `(height, width)` px differ."""
    assert type(found) is type(sent)
    if isinstance(sent, Brush):
        assert (bitmap_of(found, size) == bitmap_of(sent, size)).all()
        return
    # Over an image of 100 x 100 px percents are px.
    one, other = value_of(found, (100, 100)), value_of(sent, (100, 100))
    for name, value in other.items():
        np.testing.assert_allclose(one[name], value, atol=CLOSE, rtol=0)
