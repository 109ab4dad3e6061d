"""Do the pixels agree under a map? Local correlation, blind to brightness, contrast and stain."""

from __future__ import annotations

from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.typing import NDArray

from strategies.near_duplicates.verification.evidence import Evidence, count_places
from strategies.near_duplicates.verification.fit import invert
from strategies.near_duplicates.verification.picture import Matrix, Picture

WINDOW = 17
"""Px of the working picture over which a correlation is taken."""

FAINT = 5.0
"""Gray levels of the stretched picture; windows with less spread in both pictures are empty and say nothing."""

BROAD = 10.0
ALIKE = 0.5
FEWEST_PIXELS = 400
LEAST_TEXTURE = 0.02
LEAST_CUT_OUT_TEXTURE = 0.1
"""Part of the pixels in common that must be textured; more where the ground of a cut-out object was left aside."""

# px around the ground of a cut-out object to which its edge reaches after blur, high pass and window
EDGE = 45


@dataclass(frozen=True)
class Agreement:
    """How well two pictures agree under a map.

    Attributes:
        share: part in [0, 1] of the textured pixels in common whose surroundings correlate.
        correlation: mean correlation in [-1, 1] of the textured pixels in common.
        cover_first: part in [0, 1] of the first picture that lies inside the second.
        cover_second: part in [0, 1] of the second picture that lies inside the first.
    """

    share: float
    correlation: float
    cover_first: float
    cover_second: float

    def swapped(self) -> Agreement:
        """The same with the pictures in the other order."""
        return replace(self, cover_first=self.cover_second, cover_second=self.cover_first)


def agreement(first: Picture, second: Picture, matrix: Matrix, *, outlines: bool = False) -> Agreement:
    """Compare two pictures on what they have in common.

    Args:
        first: picture that `matrix` maps.
        second: picture onto which it is mapped.
        matrix: maps px of the first to px of the second.
        outlines: let the outline of an object that was cut out count as texture.
    """
    cover_first, cover_second = covers(first.grey.shape, second.grey.shape, matrix)
    moved, still, matrix = _coarser_last(first, second, matrix)
    a, b, mask = _lay(moved, still, matrix)
    if not outlines:
        mask &= ~_beside(still.ground, moved.ground, b.shape, matrix)
    correlation, textured = _local_correlation(_detail(a), _detail(b))
    textured &= mask
    common, said = int(mask.sum()), int(textured.sum())
    cut_out = not outlines and (first.ground is not None or second.ground is not None)
    if said < max(FEWEST_PIXELS, common * (LEAST_CUT_OUT_TEXTURE if cut_out else LEAST_TEXTURE)):
        return Agreement(0.0, 0.0, cover_first, cover_second)
    values = correlation[textured]
    return Agreement(float((values > ALIKE).mean()), float(values.mean()), cover_first, cover_second)


def evidence(first: Picture, second: Picture, matrix: Matrix) -> list[Evidence]:
    """Count the windows that fit where the map says and nowhere beside it; arguments as for `agreement`."""
    return count_places(*_lay(*_coarser_last(first, second, matrix)))


def covers(first: tuple[int, ...], second: tuple[int, ...], matrix: Matrix) -> tuple[float, float]:
    """Parts of the areas of the first and of the second picture that both show."""
    (h, w), (height, width) = first[:2], second[:2]
    corners = np.array([[0, 0], [w, 0], [w, h], [0, h]], np.float32)
    moved = np.asarray(corners @ matrix[:, :2].T + matrix[:, 2], np.float32)
    frame = np.array([[0, 0], [width, 0], [width, height], [0, height]], np.float32)
    area, _ = cv2.intersectConvexConvex(moved, frame)
    zoom = max(abs(float(np.linalg.det(matrix[:, :2]))), 1e-9)
    return min(1.0, area / (zoom * h * w)), min(1.0, area / (height * width))


def _coarser_last(first: Picture, second: Picture, matrix: Matrix) -> tuple[Picture, Picture, Matrix]:
    """The picture to move, the one that stays, and the map: enlarging would compare detail with blur."""
    finer = abs(np.linalg.det(matrix[:, :2])) > 1.0
    return (second, first, invert(matrix)) if finer else (first, second, matrix)


def _lay(
    moved: Picture, still: Picture, matrix: Matrix
) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.bool_]]:
    """One picture brought onto another, that other, and the part that both show."""
    a, mask = _bring(moved.grey, still.grey.shape, matrix)
    return a, _smooth(still.grey), mask


def _beside(
    ground: NDArray[np.bool_] | None, moved: NDArray[np.bool_] | None, shape: tuple[int, ...], matrix: Matrix
) -> NDArray[np.bool_]:
    """Where a window reaches the ground around a cut-out object of either picture."""
    both = np.zeros(shape[:2], np.uint8)
    if ground is not None:
        both |= ground.astype(np.uint8)
    if moved is not None:
        size = shape[1], shape[0]
        both |= np.asarray(cv2.warpAffine(moved.astype(np.uint8), matrix, size, flags=cv2.INTER_NEAREST), np.uint8)
    if not both.any():
        return both.astype(bool)
    return np.asarray(cv2.dilate(both, np.ones((EDGE, EDGE), np.uint8)).astype(bool))


def _smooth(grey: NDArray[np.uint8], sigma: float = 1.0) -> NDArray[np.float32]:
    return np.asarray(cv2.GaussianBlur(grey.astype(np.float32), (0, 0), sigma), np.float32)


def _detail(values: NDArray[np.float32]) -> NDArray[np.float32]:
    """Without broad shading: round cells and lit fields share it and show different things."""
    return np.asarray(values - cv2.GaussianBlur(values, (0, 0), BROAD), np.float32)


def _bring(
    grey: NDArray[np.uint8], shape: tuple[int, ...], matrix: Matrix
) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    zoom = float(np.sqrt(abs(np.linalg.det(matrix[:, :2]))))
    smooth = _smooth(grey, max(1.0, 1.0 / max(zoom, 0.05)))
    size = shape[1], shape[0]
    moved = cv2.warpAffine(smooth, matrix, size, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    inside = cv2.warpAffine(np.ones(grey.shape, np.uint8), matrix, size, flags=cv2.INTER_NEAREST)
    padded = cv2.copyMakeBorder(inside, 1, 1, 1, 1, cv2.BORDER_CONSTANT, value=0)
    mask = cv2.erode(padded, np.ones((5, 5), np.uint8))[1:-1, 1:-1].astype(bool)
    return np.asarray(moved, np.float32), np.asarray(mask)


def _local_correlation(a: NDArray[np.float32], b: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    def mean(values: NDArray[np.float32]) -> NDArray[np.float32]:
        return np.asarray(cv2.boxFilter(values, cv2.CV_32F, (WINDOW, WINDOW)), np.float32)

    mean_a, mean_b = mean(a), mean(b)
    spread_a = np.sqrt(np.maximum(mean(a * a) - mean_a**2, 0.0))
    spread_b = np.sqrt(np.maximum(mean(b * b) - mean_b**2, 0.0))
    together = mean(a * b) - mean_a * mean_b
    textured = np.maximum(spread_a, spread_b) > FAINT
    # the floor keeps the noise of an empty window from passing for texture of the other picture
    correlation = together / (np.maximum(spread_a, FAINT / 2) * np.maximum(spread_b, FAINT / 2))
    return np.clip(correlation, -1.0, 1.0).astype(np.float32), textured
