"""A trained detector: images -> `Detections`, tile by tile where an image is larger than the network's view."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch

from training.data.images import RGBArray, load_rgb
from training.data.tiles import Tile, merge, tiles
from training.detection import checkpoint as detection_checkpoint
from training.detection.detectron2.forward import Regions, find, look
from training.detection.detectron2.network import build
from training.detection.plan import OBJECT_SIDE, Plan
from training.detection.views import zoomed
from training.device import pick_device
from training.geometry.boxes import VIEWS, Float32, clip
from training.geometry.runs import Runs, from_window
from training.geometry.runs import window as part_of
from training.types import Detections, FloatArray, TrainingError

WIDER = 2
"""Prediction sees so many training tiles a side at once: with less overlap in proportion, half the work goes away."""
WHOLE = 1.25
"""An image larger than that by no more than this factor is still looked at in one piece."""
BATCH = 2


class Detector:
    """A network with its plan.

    Args:
        plan: the network's shape.
        network: a network of that plan.
    """

    def __init__(self, plan: Plan, network: Any) -> None:
        self.plan = plan
        self.network = network.eval()

    @classmethod
    def load(cls, folder: Path, *, device: str = "auto", threads: int | None = None) -> Detector:
        """The detector that `paploop fit` or a training job wrote.

        Raises:
            TrainingError: there is none, or it is damaged.
        """
        if threads:
            torch.set_num_threads(threads)
        plan, weights, _ = detection_checkpoint.read(folder)
        network = build(plan, pick_device(device), pretrained=False)
        detection_checkpoint.load_exactly(network, weights)
        return cls(plan, network)

    def predict(self, images: Sequence[Path | RGBArray], *, members: int = 1) -> Iterator[Detections]:
        """The regions of each image, in order, one image in memory at a time.

        Every distribution ends with the background; a region's score is its most likely other class. `columns` of the
        answer holds `box_iou` and, with outlines, `mask_iou`: `(members, r)` float32, how well each member's own box or
        mask agrees with the answer's; and `vectors` `(r, d)` float32 of unit length.

        Args:
            images: files, or pixels `(h, w, 3)` uint8.
            members: 1 to 4 views of the image (as it is, mirrored two ways, turned) that each judge every region.

        Raises:
            TrainingError: members out of range.
            ImageDecodeError: a file cannot be read.
        """
        if not 1 <= members <= len(VIEWS):
            raise TrainingError(f"A detector has 1 to {len(VIEWS)} members, not {members}.")
        for image in images:
            pixels = load_rgb(image) if isinstance(image, Path) else image
            yield self._detect(pixels, VIEWS[:members])

    def inside(self, pixels: RGBArray, box: FloatArray) -> Detections:
        """The object inside a box that an expert drew: class distribution, and outline where the model has them.

        Only the surroundings of the box are looked at, so the time does not depend on the image.

        Args:
            pixels: `(h, w, 3)` uint8.
            box: `(4,)` px of the image.

        Raises:
            TrainingError: the box has no area inside the image.
        """
        size = (pixels.shape[0], pixels.shape[1])
        cut = clip(np.asarray(box, dtype=np.float32)[None], size)[0]
        if (cut[2:] - cut[:2] < 1).any():
            raise TrainingError("The box covers less than a pixel of the image. Draw a larger one.")
        window = self._around(cut, size)
        picture = zoomed(pixels[window.y1 : window.y2, window.x1 : window.x2], self.plan.zoom)
        scale = np.array([picture.shape[1] / (window.x2 - window.x1), picture.shape[0] / (window.y2 - window.y1)] * 2)
        shift = np.array([window.x1, window.y1] * 2)
        found = look(self.network, picture, ((cut - shift) * scale)[None].astype(np.float32))
        return _put_together([_moved(found, window, picture.shape[:2])], [window], size, self.plan.masks)

    def at(
        self,
        pixels: RGBArray,
        inside: Sequence[tuple[float, float]],
        outside: Sequence[tuple[float, float]] = (),
    ) -> Detections:
        """The object that a point lies on; one region, whose surroundings alone are looked at.

        Args:
            pixels: `(h, w, 3)` uint8.
            inside: x, y px of points on the object, at least one, the first decides where to look.
            outside: points that are not on it.

        Raises:
            TrainingError: the point is not on the image.
        """
        size = (pixels.shape[0], pixels.shape[1])
        x, y = inside[0]
        if not (0 <= x < size[1] and 0 <= y < size[0]):
            raise TrainingError("The point is outside the image. Click on an object.")
        reach = OBJECT_SIDE / self.plan.zoom / 2
        usual = np.array([x - reach, y - reach, x + reach, y + reach], dtype=np.float32)
        window = self._around(clip(usual[None], size)[0], size)
        picture = zoomed(pixels[window.y1 : window.y2, window.x1 : window.x2], self.plan.zoom)
        moved = _moved(find(self.network, [picture])[0], window, picture.shape[:2])
        found = _put_together([moved], [window], size, self.plan.masks)
        for index in range(len(found.boxes)):
            if all(_covers(found, index, at) for at in inside) and not any(_covers(found, index, at) for at in outside):
                return _only(found, index)
        # Nothing was found there: what the network makes of an object of the usual size.
        return self.inside(pixels, usual)

    def warm_up(self) -> None:
        """One pass over an empty picture: the first real one then takes as long as the others."""
        find(self.network, [np.zeros((self.plan.tile, self.plan.tile, 3), dtype=np.uint8)])

    def _around(self, box: FloatArray, size: tuple[int, int]) -> Tile:
        """A tile with the box in its middle, larger only where the box is."""
        side = max(self.plan.tile / self.plan.zoom, 1.5 * float((box[2:] - box[:2]).max()))
        x, y = (box[:2] + box[2:]) / 2 - side / 2
        x1, y1 = max(0, int(min(x, size[1] - side))), max(0, int(min(y, size[0] - side)))
        return Tile(x1, y1, min(size[1], x1 + math.ceil(side)), min(size[0], y1 + math.ceil(side)))

    def _detect(self, pixels: RGBArray, views: Sequence[str]) -> Detections:
        size = (pixels.shape[0], pixels.shape[1])
        windows = self._windows(size)
        found: list[Regions] = []
        for start in range(0, len(windows), BATCH):
            batch = windows[start : start + BATCH]
            pictures = [zoomed(pixels[w.y1 : w.y2, w.x1 : w.x2], self.plan.zoom) for w in batch]
            for window, picture, regions in zip(batch, pictures, find(self.network, pictures, views), strict=True):
                found.append(_moved(regions, window, picture.shape[:2]))
        return _put_together(found, windows, size, self.plan.masks)

    def _windows(self, size: tuple[int, int]) -> list[Tile]:
        side = max(1, round(WIDER * self.plan.tile / self.plan.zoom))
        if max(size) <= WHOLE * side:
            return [Tile(0, 0, size[1], size[0])]
        return tiles(size, side, round(self.plan.overlap / self.plan.zoom))


def _covers(found: Detections, index: int, point: tuple[float, float]) -> bool:
    """Whether a region's outline, or its box where it has none, holds a point."""
    x, y = point
    x1, y1, x2, y2 = found.boxes[index]
    if found.masks is None or not (x1 <= x < x2 and y1 <= y < y2):
        return bool(x1 <= x < x2 and y1 <= y < y2)
    return bool(part_of(found.masks[index], (int(x), int(y), int(x) + 1, int(y) + 1)).any())


def _only(found: Detections, index: int) -> Detections:
    part = slice(index, index + 1)
    masks = None if found.masks is None else list(found.masks[part])
    return Detections(found.size, found.boxes[part], found.probs[:, part], masks)


def _moved(regions: Regions, window: Tile, shape: tuple[int, ...]) -> Regions:
    """Boxes from px of the network to px of the image."""
    scale = np.array([(window.x2 - window.x1) / shape[1], (window.y2 - window.y1) / shape[0]] * 2, dtype=np.float32)
    shift = np.array([window.x1, window.y1] * 2, dtype=np.float32)
    return Regions(
        regions.boxes * scale + shift,
        regions.probs,
        regions.box_iou,
        regions.outlines,
        regions.mask_iou,
        regions.vectors,
    )


def _put_together(found: list[Regions], windows: list[Tile], size: tuple[int, int], masks: bool) -> Detections:
    scores = [part.probs[:, :, :-1].mean(axis=0).max(axis=1, initial=0.0) for part in found]
    labels = [part.probs[:, :, :-1].mean(axis=0).argmax(axis=1) for part in found]
    boxes = [clip(part.boxes, size) for part in found]
    kept = merge(boxes, scores, labels, windows, size)
    kept = kept[np.argsort(-np.concatenate(scores)[kept], kind="stable")]
    chosen = np.concatenate(boxes)[kept]
    columns: dict[str, FloatArray] = {
        "box_iou": np.concatenate([part.box_iou for part in found], axis=1)[:, kept],
        "vectors": np.concatenate([part.vectors for part in found])[kept],
    }
    outlines: list[Runs] | None = None
    if masks:
        pictures = np.concatenate([part.outlines for part in found if part.outlines is not None])[kept]
        outlines = [drawn(picture, box, size) for picture, box in zip(pictures, chosen, strict=True)]
        columns["mask_iou"] = np.concatenate([p.mask_iou for p in found if p.mask_iou is not None], axis=1)[:, kept]
    probs = np.concatenate([part.probs for part in found], axis=1)[:, kept]
    return Detections(size=size, boxes=chosen, probs=probs, masks=outlines, columns=columns)


def drawn(picture: Float32, box: Float32, size: tuple[int, int]) -> Runs:
    """The mask that a mask head's picture `(s, s)` in [0, 1] stands for inside a box, in px of the image.

    Work and memory follow the box, not the image.
    """
    x1, y1 = int(np.floor(box[0])), int(np.floor(box[1]))
    x2, y2 = max(x1 + 1, int(np.ceil(box[2]))), max(y1 + 1, int(np.ceil(box[3])))
    side = picture.shape[0]
    columns = (np.arange(x1, x2) + 0.5 - box[0]) / max(box[2] - box[0], 1e-3) * side - 0.5
    rows = (np.arange(y1, y2) + 0.5 - box[1]) / max(box[3] - box[1], 1e-3) * side - 0.5
    # OpenCV reads 0 outside of the picture, but its coordinates fade over a whole cell; hold the edge value instead.
    grid_x, grid_y = np.meshgrid(columns.astype(np.float32), rows.astype(np.float32))
    values = cv2.remap(picture.astype(np.float32), grid_x, grid_y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    bitmap = values > 0.5
    if not bitmap.any():
        # An object is never empty: its most likely pixel stands for it.
        bitmap.flat[int(np.argmax(values))] = True
    return from_window(bitmap, (x1, y1), size)
