"""Fit one picture onto another: descriptor matches, then an affine map that many of them agree with.

RANSAC: Fischler, Bolles (1981), Random Sample Consensus: A Paradigm for Model Fitting with Applications to Image
Analysis and Automated Cartography, doi:10.1145/358669.358692
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from strategies.near_duplicates.verification.picture import Matrix, Picture, mirrored_features

RATIO = 0.88
"""A match counts when its distance is below this part of the second best one's."""

REACH = 4.0
"""Px of the working picture within which a match agrees with the map."""

FEWEST_MATCHES = 6
MOST_STRETCH = 5.0
LARGEST_ZOOM = 6.0
# Several orientations of one corner, or a repeated corner, are one piece of evidence.
SAME_PLACE = 3.0
GUIDED_REACH = 12.0

Points = NDArray[np.float32]


@dataclass(frozen=True)
class Fit:
    """An affine map between two working pictures and how many matches agree with it.

    Attributes:
        matrix: maps px of the first to px of the second.
        inliers: matches at distinct places that agree.
    """

    matrix: Matrix
    inliers: int


def fit_pictures(first: Picture, second: Picture) -> Fit | None:
    """The better of the fits of `first` and of its mirror image onto `second`; None when nothing plausible fits."""
    plain = _fit(first.points, first.descriptors, second)
    points, descriptors = mirrored_features(first)
    turned = _fit(points, descriptors, second)
    if turned is not None:
        turned = Fit(turned.matrix @ np.vstack([flip(first), [0, 0, 1]]), turned.inliers)
    found = [fit for fit in (plain, turned) if fit is not None]
    return max(found, key=lambda fit: fit.inliers, default=None)


def flip(picture: Picture) -> Matrix:
    """Maps px of the working picture to px of its mirror image."""
    return np.array([[-1.0, 0.0, picture.grey.shape[1] - 1.0], [0.0, 1.0, 0.0]])


def fit_guided(first: Picture, second: Picture, guess: Matrix) -> Fit | None:
    """Refine a guessed map: only points that the guess brings near each other may match.

    Args:
        first: picture whose points are mapped.
        second: picture onto which they are mapped.
        guess: map from px of the first to px of the second.
    """
    if not len(first.points) or not len(second.points):
        return None
    mirrored = np.linalg.det(guess[:, :2]) < 0
    descriptors = mirrored_features(first)[1] if mirrored else first.descriptors
    moved = apply(guess, first.points)
    far = np.abs(moved[:, None, :] - second.points[None, :, :]).max(axis=2) > GUIDED_REACH
    likeness = _likeness(descriptors, second.descriptors)
    likeness[far] = -1.0
    partner = likeness.argmax(axis=1)
    rows = np.flatnonzero(likeness[np.arange(len(likeness)), partner] > 0.6)
    rows = rows[likeness.argmax(axis=0)[partner[rows]] == rows]
    return _agree(first.points[rows], second.points[partner[rows]])


def apply(matrix: Matrix, points: Points) -> Points:
    """Map `(k, 2)` points."""
    return np.asarray(points @ matrix[:, :2].T + matrix[:, 2], np.float32)


def invert(matrix: Matrix) -> Matrix:
    """The map back."""
    return np.asarray(cv2.invertAffineTransform(matrix), np.float64)


def compose(first: Matrix, then: Matrix) -> Matrix:
    """One map for `first` and after it `then`."""
    return np.asarray(then @ np.vstack([first, [0, 0, 1]]), np.float64)


def plausible(matrix: Matrix) -> bool:
    """Whether a map is one between two takes of a flat specimen: no extreme zoom, no extreme stretch."""
    if not np.all(np.isfinite(matrix)):
        return False
    large, small = np.linalg.svd(matrix[:, :2], compute_uv=False)
    return bool(small * LARGEST_ZOOM > 1.0 and large < LARGEST_ZOOM and large < MOST_STRETCH * small)


def _likeness(first: NDArray[np.uint8], second: NDArray[np.uint8]) -> NDArray[np.float32]:
    a, b = first.astype(np.float32), second.astype(np.float32)
    a /= np.maximum(np.linalg.norm(a, axis=1, keepdims=True), 1e-9)
    b /= np.maximum(np.linalg.norm(b, axis=1, keepdims=True), 1e-9)
    return np.asarray(a @ b.T)


def _fit(points: Points, descriptors: NDArray[np.uint8], second: Picture) -> Fit | None:
    if min(len(descriptors), len(second.descriptors)) < FEWEST_MATCHES:
        return None
    likeness = _likeness(descriptors, second.descriptors)
    rows = np.arange(len(likeness))
    partner = likeness.argmax(axis=1)
    best = likeness[rows, partner]
    likeness[rows, partner] = -1.0
    kept = np.flatnonzero((1.0 - best) < RATIO**2 * (1.0 - likeness.max(axis=1)))
    return _agree(points[kept], second.points[partner[kept]])


def _agree(a: Points, b: Points) -> Fit | None:
    if len(a) < FEWEST_MATCHES:
        return None
    matrix, inside = cv2.estimateAffine2D(
        a, b, method=cv2.RANSAC, ransacReprojThreshold=REACH, maxIters=2000, confidence=0.99
    )
    if matrix is None or not plausible(matrix):
        return None
    agreeing = inside.ravel().astype(bool)
    places = min(_places(a[agreeing]), _places(b[agreeing]))
    return Fit(np.asarray(matrix, np.float64), places)


def _places(points: Points) -> int:
    return len(np.unique(np.floor(points / SAME_PLACE), axis=0))
