"""What the network is fed: a zoomed crop of an image with its objects, turned and mirrored at random."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.typing import NDArray

from training.data.detection_set import LabelledImage
from training.data.images import RGBArray, load_rgb
from training.detection.detectron2.masks import chips_of
from training.geometry.boxes import overlap
from training.types import FloatArray, IntArray

_Move = Callable[[FloatArray], FloatArray]

CACHE_BYTES = 1 << 30
"""Memory for decoded training images."""
VISIBLE = 0.4
"""Share of an object that must lie inside a crop to be learned there; less of it is neither object nor background."""


@dataclass(frozen=True)
class View:
    """One training example in px of the network.

    Attributes:
        pixels: `(h, w, 3)` uint8 RGB.
        boxes: `(r, 4)` float32, cut to the view.
        classes: `(r,)` int64.
        chips: `(r, CHIP, CHIP)` uint8 masks relative to `chip_boxes`, or None.
        chip_boxes: `(r, 4)` float32, the objects' whole boxes, which may reach outside.
        ignore: `(k, 4)` float32.
        checked: `(c, 4)` float32 or None.
    """

    pixels: RGBArray
    boxes: FloatArray
    classes: IntArray
    chips: NDArray[np.uint8] | None
    chip_boxes: FloatArray
    ignore: FloatArray
    checked: FloatArray | None


def zoomed(pixels: RGBArray, zoom: float) -> RGBArray:
    """The image at another size; areas are averaged when it shrinks."""
    if zoom == 1.0:
        return pixels
    height, width = (max(1, round(side * zoom)) for side in pixels.shape[:2])
    how = cv2.INTER_AREA if zoom < 1 else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(pixels, (width, height), interpolation=how))


class Cache:
    """How many bytes of decoded images may still be kept.

    Args:
        room: bytes; what finds no room is decoded each time it is needed.
    """

    def __init__(self, room: int = CACHE_BYTES) -> None:
        self._room = room

    def take(self, size: int) -> bool:
        """Whether `size` bytes are kept; they are counted if so."""
        if size > self._room:
            return False
        self._room -= size
        return True


class Source:
    """Training views of one labeled image.

    Args:
        image: the image and its objects.
        zoom: network px per image px.
        masks: whether outlines are learned.
        cache: room for decoded pixels, shared by all images of a training.
    """

    def __init__(self, image: LabelledImage, zoom: float, masks: bool, cache: Cache) -> None:
        self.image = image
        self._zoom, self._masks, self._cache = zoom, masks, cache
        # Pixels are kept no larger than they are in the file; crops of them are enlarged.
        self._kept_zoom = min(zoom, 1.0)
        self._kept: tuple[RGBArray, NDArray[np.uint8] | None] | None = None

    def view(self, tile: int, rng: np.random.Generator, *, augment: bool = True) -> View:
        """A random crop of at most `tile` px a side, mirrored, turned by quarter turns and recoloured.

        Raises:
            ImageDecodeError: the file cannot be read.
        """
        pixels, chips = self._content()
        enlarge = self._zoom / self._kept_zoom
        side = max(1, math.ceil(tile / enlarge))
        x, y = self._corner(pixels.shape[:2], side, rng)
        crop = zoomed(pixels[y : y + side, x : x + side], enlarge)[:tile, :tile]
        view = _cut(self.image, crop, chips, self._zoom, (x * enlarge, y * enlarge))
        if not augment:
            return view
        # Mirrors and transpositions in turn reach all eight ways to lay a picture down.
        for move in (_mirrored, _transposed, _mirrored, _transposed):
            view = move(view) if rng.random() < 0.5 else view
        return _recoloured(view, rng)

    def _content(self) -> tuple[RGBArray, NDArray[np.uint8] | None]:
        if self._kept is not None:
            return self._kept
        pixels = zoomed(load_rgb(self.image.path), self._kept_zoom)
        chips = chips_of(self.image) if self._masks else None
        if self._cache.take(pixels.nbytes + (0 if chips is None else chips.nbytes)):
            self._kept = pixels, chips
        return pixels, chips

    def _corner(self, shape: tuple[int, ...], side: int, rng: np.random.Generator) -> tuple[int, int]:
        """Upper left corner of a crop, kept px; four times in five it is one around some object."""
        free = [max(0, length - side) for length in shape]
        if not any(free):
            return 0, 0
        if len(self.image.boxes) and rng.random() < 0.8:
            box = self.image.boxes[rng.integers(len(self.image.boxes))] * self._kept_zoom
            x, y = ((box[axis] + box[axis + 2]) / 2 - side * rng.uniform(0.2, 0.8) for axis in (0, 1))
            return int(np.clip(x, 0, free[1])), int(np.clip(y, 0, free[0]))
        return int(rng.integers(free[1] + 1)), int(rng.integers(free[0] + 1))


def _cut(
    image: LabelledImage,
    crop: RGBArray,
    chips: NDArray[np.uint8] | None,
    zoom: float,
    corner: tuple[float, float],
) -> View:
    """The objects on a crop that begins at `corner` (x, y) px of the network."""
    x, y = corner
    shift = np.array([x, y, x, y], dtype=np.float32)
    limits = np.array([crop.shape[1], crop.shape[0]] * 2, dtype=np.float32)
    whole = image.boxes * np.float32(zoom) - shift
    cut = np.clip(whole, 0, limits)
    inside = _share_inside(whole, limits)
    learned, partly = inside >= VISIBLE, (inside > 0) & (inside < VISIBLE)
    ignore = np.clip(np.concatenate([image.ignore * np.float32(zoom) - shift, cut[partly]]), 0, limits)
    checked = None if image.checked is None else np.clip(image.checked * np.float32(zoom) - shift, 0, limits)
    return View(
        pixels=crop,
        boxes=cut[learned],
        classes=image.classes[learned],
        chips=None if chips is None else chips[learned],
        chip_boxes=whole[learned],
        ignore=ignore,
        checked=checked,
    )


def _share_inside(boxes: FloatArray, limits: FloatArray) -> FloatArray:
    if not len(boxes):
        return np.zeros(0, dtype=np.float32)
    frame = np.array([[0, 0, limits[0], limits[1]]], dtype=np.float32)
    sides = boxes[:, 2:] - boxes[:, :2]
    return np.asarray(overlap(boxes, frame)[:, 0] / np.maximum(sides[:, 0] * sides[:, 1], 1e-6), dtype=np.float32)


def _mirrored(view: View) -> View:
    width = view.pixels.shape[1]

    def flip(boxes: FloatArray) -> FloatArray:
        return np.stack([width - boxes[:, 2], boxes[:, 1], width - boxes[:, 0], boxes[:, 3]], axis=1)

    return _moved(view, view.pixels[:, ::-1], flip, None if view.chips is None else view.chips[:, :, ::-1])


def _transposed(view: View) -> View:
    chips = None if view.chips is None else view.chips.transpose(0, 2, 1)
    return _moved(view, view.pixels.transpose(1, 0, 2), lambda boxes: boxes[:, [1, 0, 3, 2]], chips)


def _moved(view: View, pixels: RGBArray, move: _Move, chips: NDArray[np.uint8] | None) -> View:
    return View(
        pixels=pixels,
        boxes=move(view.boxes),
        classes=view.classes,
        chips=chips,
        chip_boxes=move(view.chip_boxes),
        ignore=move(view.ignore),
        checked=None if view.checked is None else move(view.checked),
    )


def _recoloured(view: View, rng: np.random.Generator) -> View:
    """Stain and lamp differ from slide to slide: each channel gets its own gain, all of them a shift."""
    gain = rng.uniform(0.85, 1.15, size=3).astype(np.float32)
    shifted = view.pixels * gain + np.float32(rng.uniform(-15, 15))
    return replace(view, pixels=np.clip(shifted, 0, 255).astype(np.uint8))
