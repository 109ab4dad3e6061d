"""Generated pictures: bright and dark ellipses on noise, with their exact masks, as a COCO folder."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from tests.training.data.coco_files import write_coco
from training.data.coco import ANNOTATIONS, IMAGES
from training.data.detection_set import DetectionSet, LabelledImage
from training.geometry.runs import from_window

CLASSES = ("dark", "pale")


def draw(
    rng: np.random.Generator, size: tuple[int, int], objects: int, path: Path, *, masks: bool = True
) -> LabelledImage:
    """One picture with up to `objects` ellipses that do not touch."""
    height, width = size
    pixels = rng.normal(150, 12, size=(height, width, 3))
    rows, columns = np.mgrid[:height, :width] + 0.5
    boxes, classes, outlines = [], [], []
    taken = np.zeros(size, dtype=bool)
    for _ in range(objects):
        a, b = rng.uniform(6, 11, size=2)
        x, y = rng.uniform(12, width - 12), rng.uniform(12, height - 12)
        inside = ((columns - x) / a) ** 2 + ((rows - y) / b) ** 2 <= 1
        if (taken & inside).any():
            continue
        taken |= ((columns - x) / (a + 3)) ** 2 + ((rows - y) / (b + 3)) ** 2 <= 1
        number = int(rng.integers(2))
        pixels[inside] += (-80, -90, -40) if number == 0 else (70, 40, 90)
        found_rows, found_columns = np.nonzero(inside)
        x1, y1, x2, y2 = found_columns.min(), found_rows.min(), found_columns.max() + 1, found_rows.max() + 1
        boxes.append((x1, y1, x2, y2))
        classes.append(number)
        outlines.append(from_window(inside[y1:y2, x1:x2], (int(x1), int(y1)), size))
    Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8)).save(path)
    return LabelledImage(
        path=path,
        name=path.name,
        size=size,
        boxes=np.array(boxes, dtype=np.float32).reshape(-1, 4),
        classes=np.array(classes, dtype=np.int64),
        masks=tuple(outlines) if masks else None,
    )


def make_folder(
    root: Path, count: int, *, seed: int = 0, size: tuple[int, int] = (128, 128), masks: bool = True
) -> Path:
    """A COCO folder of `count` pictures; every tenth one is empty."""
    rng = np.random.default_rng(seed)
    (root / IMAGES).mkdir(parents=True)
    images = [
        draw(rng, size, 0 if index % 10 == 9 else 8, root / IMAGES / f"blob_{index * 20:04d}.png", masks=masks)
        for index in range(count)
    ]
    write_coco(root / ANNOTATIONS, DetectionSet(CLASSES, tuple(images)))
    return root
