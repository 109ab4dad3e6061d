"""The fixed words that image summaries count in, learned from drawn pictures so that no data set leaks into them.

`python -m strategies.near_duplicates.verification.vocabulary` writes the file anew; the words travel with the package
because another computer's rounding would give slightly other ones.
"""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

import cv2
import faiss
import numpy as np
from numpy.typing import NDArray

from strategies.near_duplicates.verification.picture import WORKING_SIDE, local_features

WORDS = 64
FILE = Path(__file__).with_name("vocabulary.npy")

_OCTAVES = (2, 4, 8, 16, 32, 64)


@lru_cache(maxsize=1)
def words() -> NDArray[np.float32]:
    """`(64, 128)` float32 centers of square-rooted SIFT descriptors of unit length."""
    return np.asarray(np.load(FILE, allow_pickle=False), np.float32)


def learn_words(rng: np.random.Generator, pictures: int = 80) -> NDArray[np.float16]:
    """Cluster the descriptors of drawn pictures."""
    descriptors = [local_features(draw_specimen(rng))[1].astype(np.float32) for _ in range(pictures)]
    rows = np.concatenate(descriptors)
    rows /= np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-9)
    means = faiss.Kmeans(rows.shape[1], WORDS, niter=20, seed=1, max_points_per_centroid=1000)
    means.train(rows)
    return np.asarray(means.centroids, np.float16)


def draw_specimen(rng: np.random.Generator, side: int = WORKING_SIDE) -> NDArray[np.uint8]:
    """A gray picture with noise of several grains and up to 60 soft-edged blobs, `(side, side)` uint8."""
    field = np.zeros((side, side), np.float32)
    for grain in _OCTAVES:
        coarse = rng.normal(size=(side // grain + 1, side // grain + 1)).astype(np.float32)
        fine = cv2.resize(coarse, (side, side), interpolation=cv2.INTER_CUBIC)
        field += fine * np.float32(rng.uniform(0, 1) * np.sqrt(grain))
    grey = (field - field.mean()) / field.std() * rng.uniform(5, 30) + rng.uniform(90, 190)
    for _ in range(int(rng.integers(0, 60))):
        shape = np.zeros((side, side), np.float32)
        centre = (int(rng.integers(side)), int(rng.integers(side)))
        axes = (int(rng.integers(3, 60)), int(rng.integers(3, 60)))
        cv2.ellipse(shape, centre, axes, float(rng.uniform(0, 180)), 0, 360, 1.0, -1)
        weight = cv2.GaussianBlur(shape, (0, 0), float(rng.uniform(0.5, 3))) * rng.uniform(0.3, 1)
        grey = grey * (1 - weight) + rng.uniform(0, 255) * weight
    noise = rng.normal(size=grey.shape) * rng.uniform(0, 4)
    return np.asarray(np.clip(grey + noise, 0, 255), np.uint8)


if __name__ == "__main__":
    np.save(FILE, learn_words(np.random.default_rng(0)))
