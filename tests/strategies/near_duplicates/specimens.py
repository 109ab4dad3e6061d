"""Generated specimens and copies of them, with the relation each copy has."""

from __future__ import annotations

import io

import cv2
import numpy as np
from PIL import Image

from strategies.near_duplicates.verification.vocabulary import draw_specimen


def specimen(seed: int, side: int = 320) -> np.ndarray:
    """`(side, side, 3)` uint8, blobs on grainy ground in a colour of its own."""
    rng = np.random.default_rng(seed)
    grey = draw_specimen(rng, side).astype(np.float32)
    tint = rng.uniform(0.6, 1.0, size=3)
    return np.clip(grey[..., None] * tint + rng.uniform(0, 40, size=3), 0, 255).astype(np.uint8)


def jpeg(image: np.ndarray, quality: int) -> np.ndarray:
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, "JPEG", quality=quality)
    return np.asarray(Image.open(buffer))


def turned(image: np.ndarray, degrees: float, zoom: float = 1.0) -> np.ndarray:
    h, w = image.shape[:2]
    matrix = cv2.getRotationMatrix2D((w / 2, h / 2), degrees, zoom)
    return np.asarray(cv2.warpAffine(image, matrix, (w, h), borderMode=cv2.BORDER_REPLICATE))


def copies(image: np.ndarray) -> dict[str, list[np.ndarray]]:
    """Relation -> copies that have it."""
    stained = np.clip(image * np.array([0.8, 0.95, 1.0]) + np.array([30, 0, -10]), 0, 255).astype(np.uint8)
    return {
        "re-encoded": [jpeg(image, 60)],
        "resized": [cv2.resize(image, (200, 200), interpolation=cv2.INTER_AREA)],
        "turned": [np.rot90(image).copy(), turned(image, 33.0), turned(image, -120.0, 1.3)],
        "mirrored": [image[:, ::-1].copy(), image[::-1].copy(), turned(image[:, ::-1].copy(), 50.0)],
        "crop": [image[40:280, 60:300].copy()],
        "stain-shift": [stained],
        "stretched": [cv2.resize(image, (320, 230), interpolation=cv2.INTER_AREA)],
    }
