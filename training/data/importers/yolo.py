"""A YOLO folder (`images/`, `labels/*.txt`, `classes.txt` or `data.yaml`) -> `DetectionSet`.

A line is `class x y width height` (centre and sides) or `class x1 y1 x2 y2 x3 y3 ...` (a polygon), as shares of the
image sides. An image without a label file, or with an empty one, was searched and holds nothing.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import yaml

from training.data.detection_set import DetectionSet, LabelledImage
from training.data.images import IMAGE_SUFFIXES, ImageDecodeError, image_size
from training.geometry.polygons import fill, window_of
from training.geometry.runs import Runs, from_window, pixels
from training.types import FloatArray, TrainingError

IMAGES, LABELS, CLASSES, DESCRIPTION = "images", "labels", "classes.txt", "data.yaml"


def is_yolo_folder(folder: Path) -> bool:
    """Whether `folder` holds `images/` and `labels/`."""
    return (folder / IMAGES).is_dir() and (folder / LABELS).is_dir()


def read_yolo(folder: Path) -> DetectionSet:
    """Read a YOLO folder; what cannot be used is left out with a sentence, the rest goes on.

    Raises:
        TrainingError: the class names are missing, or no image can be used.
    """
    classes = _classes(folder)
    problems: list[str] = []
    images: list[LabelledImage] = []
    for path in sorted((folder / IMAGES).rglob("*")):
        if path.suffix.lower() not in IMAGE_SUFFIXES or not path.is_file():
            continue
        name = path.relative_to(folder / IMAGES)
        try:
            size = image_size(path)
        except ImageDecodeError as error:
            problems.append(f"{error} It was left out.")
            continue
        labels = (folder / LABELS / name).with_suffix(".txt")
        images.append(_image(path, name.as_posix(), size, labels, len(classes), problems))
    if not images:
        raise TrainingError(f"No image of {folder.name} can be used; put the files into {IMAGES}/.")
    # Boxes and polygons may be mixed in YOLO; outlines count only where all objects have one.
    if not all(image.masks is not None and len(image.masks) == len(image.boxes) for image in images):
        images = [_boxes_only(image) for image in images]
    return DetectionSet(classes, tuple(images), tuple(problems))


def _classes(folder: Path) -> tuple[str, ...]:
    try:
        if (folder / CLASSES).is_file():
            names = [line.strip() for line in (folder / CLASSES).read_text(encoding="utf-8").splitlines()]
            names = [name for name in names if name]
        else:
            found = yaml.safe_load((folder / DESCRIPTION).read_text(encoding="utf-8"))["names"]
            names = [str(found[key]) for key in sorted(found)] if isinstance(found, dict) else list(map(str, found))
    except (OSError, UnicodeDecodeError, yaml.YAMLError, KeyError, TypeError) as error:
        raise TrainingError(
            f"The class names of {folder.name} cannot be read ({error}); "
            f"give {CLASSES}, one name a line, or {DESCRIPTION}."
        ) from error
    if not names or len(set(names)) != len(names):
        raise TrainingError(f"The class names of {folder.name} are missing or repeat; correct {CLASSES}.")
    return tuple(names)


def _image(
    path: Path, name: str, size: tuple[int, int], labels: Path, classes: int, problems: list[str]
) -> LabelledImage:
    boxes, numbers, masks = [], [], []
    text = labels.read_text(encoding="utf-8", errors="replace") if labels.is_file() else ""
    for row, line in enumerate(text.splitlines(), start=1):
        if not line.strip():
            continue
        try:
            number, box, mask = _object(line.split(), size, classes)
        except ValueError as error:
            problems.append(f"{name}: line {row} was left out: {error}.")
            continue
        boxes.append(box)
        numbers.append(number)
        masks.append(mask)
    outlines = tuple(mask for mask in masks if mask is not None)
    return LabelledImage(
        path=path,
        name=name,
        size=size,
        boxes=np.array(boxes, dtype=np.float32).reshape(-1, 4),
        classes=np.array(numbers, dtype=np.int64),
        masks=outlines if len(outlines) == len(boxes) else None,
    )


def _object(words: list[str], size: tuple[int, int], classes: int) -> tuple[int, FloatArray, Runs | None]:
    height, width = size
    number, values = int(words[0]), np.array([float(word) for word in words[1:]])
    if not 0 <= number < classes:
        raise ValueError(f"there is no class {number}")
    if not np.isfinite(values).all():
        raise ValueError("a number is not finite")
    if len(values) == 4:
        x, y, w, h = values * (width, height, width, height)
        box, mask = np.array([x - w / 2, y - h / 2, x + w / 2, y + h / 2]), None
    elif len(values) >= 6 and len(values) % 2 == 0:
        points = values.reshape(-1, 2) * (width, height)
        box = np.concatenate([points.min(axis=0), points.max(axis=0)])
        window = window_of(points, size)
        mask = from_window(fill(points, window), window[:2], size)
        if not pixels(mask):
            raise ValueError("its outline covers no pixel of the image")
    else:
        raise ValueError(f"it has {len(values)} coordinates")
    box = np.clip(box, 0, (width, height, width, height)).astype(np.float32)
    if (box[2:] <= box[:2]).any():
        raise ValueError("its box has no area inside the image")
    return number, box, mask


def _boxes_only(image: LabelledImage) -> LabelledImage:
    return LabelledImage(image.path, image.name, image.size, image.boxes, image.classes)
