"""What verification keeps of an image: a small gray picture and its local features.

SIFT: Lowe (2004), Distinctive Image Features from Scale-Invariant Keypoints, doi:10.1023/B:VISI.0000029664.99615.94
Square-rooted: Arandjelović, Zisserman (2012), Three Things Everyone Should Know to Improve Object Retrieval,
doi:10.1109/CVPR.2012.6248018
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from strategies.near_duplicates.verification.silhouette import cut_out_ground

WORKING_SIDE = 288
"""Side in px of the square that has the area of the working picture."""

LARGEST_GAIN = 2.0
"""Small images are enlarged up to this factor: below about 100 px SIFT finds too few points."""

MOST_POINTS = 600
# A span below this is noise or an empty field; stretching it to the full range would invent texture.
NARROWEST_SPAN = 40.0
DESCRIPTOR_UNIT = 512.0

RGB = NDArray[np.uint8]
Matrix = NDArray[np.float64]
"""`(2, 3)`: maps `(x, y, 1)` to `(x, y)`."""


@dataclass(frozen=True)
class Picture:
    """The part of an image that pair verification needs, about 160 KB.

    Attributes:
        size: `(height, width)` px of the original.
        grey: `(h, w)` uint8, the working picture, contrast stretched.
        gain: gray levels of the working picture for one of the original.
        points: `(k, 2)` float32, x and y in px of the working picture.
        descriptors: `(k, 128)` uint8, square-rooted SIFT times 512.
        colour: `(2, 3)` float32, mean and spread of the original's RGB.
        ground: `(h, w)` bool, the even ground around an object that was cut out; None for other pictures.
    """

    size: tuple[int, int]
    grey: NDArray[np.uint8]
    gain: float
    points: NDArray[np.float32]
    descriptors: NDArray[np.uint8]
    colour: NDArray[np.float32]
    ground: NDArray[np.bool_] | None = None

    @property
    def to_working(self) -> Matrix:
        """Maps original px to working px."""
        (height, width), (h, w) = self.size, self.grey.shape
        return np.array([[w / width, 0, 0], [0, h / height, 0]], np.float64)


def one_core() -> None:
    """Keep OpenCV to the calling thread, where verification begins: its own spin for cores that other work holds."""
    cv2.setNumThreads(1)


def take_picture(image: RGB) -> Picture:
    """Reduce an image to what verification needs.

    Args:
        image: `(h, w, 3)` uint8.
    """
    one_core()
    height, width = image.shape[:2]
    factor = min(LARGEST_GAIN, WORKING_SIDE / float(np.sqrt(height * width)))
    size = max(1, round(width * factor)), max(1, round(height * factor))
    small = cv2.resize(image, size, interpolation=cv2.INTER_AREA if factor < 1 else cv2.INTER_CUBIC)
    grey = cv2.cvtColor(small, cv2.COLOR_RGB2GRAY)
    low, high = np.percentile(grey, [0.5, 99.5])
    gain = 255.0 / max(high - low, NARROWEST_SPAN)
    stretched = np.clip((grey.astype(np.float32) - low) * gain, 0, 255).astype(np.uint8)
    points, descriptors = local_features(stretched)
    pixels = small.reshape(-1, 3).astype(np.float32)
    colour = np.stack([pixels.mean(axis=0), pixels.std(axis=0)])
    return Picture((height, width), stretched, float(gain), points, descriptors, colour, cut_out_ground(small))


def local_features(grey: NDArray[np.uint8]) -> tuple[NDArray[np.float32], NDArray[np.uint8]]:
    """The strongest SIFT points of a gray picture: `(k, 2)` px and `(k, 128)` square-rooted descriptors."""
    # made anew: a detector is not safe to share among threads, and making one costs nothing
    detector = cv2.SIFT.create(nfeatures=MOST_POINTS, contrastThreshold=0.02)
    found, raw = detector.detectAndCompute(grey, None)
    if raw is None or not len(found):
        return np.zeros((0, 2), np.float32), np.zeros((0, 128), np.uint8)
    raw = raw[:MOST_POINTS]
    rooted = np.sqrt(raw / np.maximum(raw.sum(axis=1, keepdims=True), 1e-9))
    points = np.array([point.pt for point in found[:MOST_POINTS]], np.float32)
    return points, np.clip(np.rint(rooted * DESCRIPTOR_UNIT), 0, 255).astype(np.uint8)


def _mirror_order() -> NDArray[np.int64]:
    """Where each of the 128 values (4 rows, 4 columns, 8 directions) goes when the patch is mirrored."""
    rows, columns, directions = np.meshgrid(range(4), range(4), range(8), indexing="ij")
    return np.asarray(((3 - rows) * 4 + columns) * 8 + (-directions) % 8, np.int64).ravel()


MIRROR_ORDER = _mirror_order()


def mirrored_features(picture: Picture) -> tuple[NDArray[np.float32], NDArray[np.uint8]]:
    """The features of the left-right mirrored picture, without detecting again."""
    points = picture.points.copy()
    points[:, 0] = picture.grey.shape[1] - 1 - points[:, 0]
    return points, picture.descriptors[:, MIRROR_ORDER]
