"""One vector per image that stays alike under turns, zoom, crops and stain: where to look for duplicates.

VLAD of square-rooted SIFT: Jégou, Douze, Schmid, Pérez (2010), Aggregating Local Descriptors into a Compact Image
Representation, doi:10.1109/CVPR.2010.5540039; normalized word by word: Arandjelović, Zisserman (2013), All about VLAD,
doi:10.1109/CVPR.2013.207. It is projected at random
(Johnson and Lindenstrauss 1984) to a size that a million images can afford. An ImageNet embedding was measured too: on
copies turned by any angle it proposes the right partner far less often, and it takes longer.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from strategies.near_duplicates.verification.picture import MIRROR_ORDER, Picture
from strategies.near_duplicates.verification.vocabulary import words

DIMENSION = 1024
_SEED = 20100613


def summarise(picture: Picture) -> NDArray[np.float32]:
    """Summaries of the picture and of its mirror image.

    Returns:
        `(2, 1024)` float32 unit vectors. A mirrored copy has the same two in the other order. A picture without
        any feature gets a fixed vector.
    """
    both = np.stack([_aggregate(picture.descriptors), _aggregate(picture.descriptors[:, MIRROR_ORDER])])
    projected = both @ _projection()
    lengths = np.linalg.norm(projected, axis=1, keepdims=True)
    projected[lengths[:, 0] == 0] = np.eye(1, DIMENSION, dtype=np.float32)
    return np.asarray(projected / np.where(lengths == 0, 1.0, lengths), np.float32)


def _aggregate(descriptors: NDArray[np.uint8]) -> NDArray[np.float32]:
    centres = words()
    sums = np.zeros(centres.shape, np.float32)
    if len(descriptors):
        rows = descriptors.astype(np.float32)
        rows /= np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-9)
        nearest = np.argmax(rows @ centres.T - 0.5 * np.einsum("ij,ij->i", centres, centres), axis=1)
        np.add.at(sums, nearest, rows - centres[nearest])
    sums /= np.maximum(np.linalg.norm(sums, axis=1, keepdims=True), 1e-9)
    return sums.ravel()


@lru_cache(maxsize=1)
def _projection() -> NDArray[np.float32]:
    signs = np.random.default_rng(_SEED).integers(0, 2, size=(words().size, DIMENSION), dtype=np.int8)
    return np.asarray(signs * np.float32(2.0) - np.float32(1.0))
