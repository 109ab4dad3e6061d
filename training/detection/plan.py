"""What a detector's network is built from, set from the labeled objects themselves and kept with the checkpoint."""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass

import numpy as np

from training.data.detection_set import DetectionSet
from training.types import FloatArray, Json, TrainingError

BACKBONES = ("lite0", "r18", "r50", "r50-zoo")
ZOO = "r50-zoo"
"""The backbone that takes weights of Detectron2's model zoo and cannot start without."""
STRIDES = (4, 8, 16, 32)
OBJECT_SIDE = 40.0
"""px at which the network should see the median object: enough for a stride of 4 to 8, cheap enough for a CPU."""
SMALLEST_SIDE = 12.0
"""px at which it should see the small ones (5 percent quantile)."""


@dataclass(frozen=True)
class Plan:
    """A detector's shape.

    Attributes:
        classes: names; the background follows them as the last class of every distribution.
        masks: predicts outlines too.
        backbone: `lite0` (ImageNet weights, frozen batch norm), `r18` or `r50` (group norm, from scratch), `r50-zoo`
            (weights of Detectron2's model zoo, frozen batch norm).
        zoom: network px per image px; fixed for all images, since a microscope's objects have a size of their own.
        tile: px, side of what the network sees at once in training; prediction sees twice the side.
        overlap: px of the network by which tiles overlap: an object of usual size is whole in one of them.
        anchors: px of the network, one side for each stride of 4, 8, 16, 32.
        ratios: height / width of the anchors.
        objects: most objects expected on what prediction sees at once.
        channels: width of the feature pyramid.
        stages: 2: Faster or Mask R-CNN, every place is looked at again before it is judged; 1: RetinaNet, boxes alone.
    """

    classes: tuple[str, ...]
    masks: bool
    backbone: str
    zoom: float
    tile: int
    overlap: int
    anchors: tuple[float, ...]
    ratios: tuple[float, ...]
    objects: int
    channels: int = 64
    stages: int = 2

    @property
    def proposals(self) -> int:
        """Regions that reach the second stage of prediction."""
        return max(200, 2 * self.objects)

    def to_json(self) -> dict[str, object]:
        """As a JSON object."""
        return dataclasses.asdict(self)


def from_json(fields: Json) -> Plan:
    """The plan that `Plan.to_json` wrote.

    Raises:
        TrainingError: fields are missing or wrong.
    """
    try:
        return Plan(
            classes=tuple(map(str, fields["classes"])),
            masks=bool(fields["masks"]),
            backbone=str(fields["backbone"]),
            zoom=float(fields["zoom"]),
            tile=int(fields["tile"]),
            overlap=int(fields["overlap"]),
            anchors=tuple(map(float, fields["anchors"])),
            ratios=tuple(map(float, fields["ratios"])),
            objects=int(fields["objects"]),
            channels=int(fields["channels"]),
            stages=int(fields.get("stages", 2)),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise TrainingError(f"The detector's plan is damaged ({error!r}); train it again.") from error


def plan_for(
    data: DetectionSet, *, backbone: str = "lite0", tile: int = 320, zoom: float | None = None, stages: int = 2
) -> Plan:
    """A plan from the sizes, shapes and numbers of the labeled objects.

    Args:
        data: training part.
        backbone: one of `BACKBONES`.
        tile: px of the network, a multiple of 32.
        zoom: overrides the one found.
        stages: 2, or 1 for RetinaNet, which leaves outlines out.

    Raises:
        TrainingError: no object is labeled, or the backbone or the number of stages is unknown.
    """
    if stages not in (1, 2):
        raise TrainingError(f"A detector has 1 stage (RetinaNet) or 2 (Faster and Mask R-CNN), not {stages}.")
    if backbone not in BACKBONES:
        raise TrainingError(f"There is no backbone {backbone!r}; choose one of {', '.join(BACKBONES)}.")
    boxes = [image.boxes for image in data.images if len(image.boxes)]
    if not boxes:
        raise TrainingError("No object is labeled yet; draw a box around at least one object, then train again.")
    every = np.concatenate(boxes)
    sides = every[:, 2:] - every[:, :2]
    found = np.sqrt(sides[:, 0] * sides[:, 1])
    small, middle = (float(value) for value in np.quantile(found, (0.05, 0.5)))
    zoom = zoom or float(np.clip(max(OBJECT_SIDE / middle, SMALLEST_SIDE / small), 1 / 16, 4.0))
    widest = float(np.quantile(sides.max(axis=1), 0.98)) * zoom
    tile = max(tile, min(32 * math.ceil(1.5 * widest / 32), 800))
    return Plan(
        classes=data.classes,
        masks=data.has_masks and stages == 2,
        backbone=backbone,
        zoom=zoom,
        tile=tile,
        overlap=int(min(max(widest, 32), tile // 2)),
        anchors=_anchors(found * zoom),
        ratios=_ratios(sides),
        # Prediction looks at twice the side.
        objects=_objects_per_tile(data, 2 * tile / zoom),
        # The zoo's pyramids are that wide.
        channels=256 if backbone == ZOO else 64,
        stages=stages,
    )


def _anchors(sides: FloatArray) -> tuple[float, ...]:
    """One side a stride, doubling like the strides, placed where the objects' sides `(r,)` (px of the network) are."""
    steps = np.arange(3.0, 8.01, 0.5)
    ladder = steps[:, None] * np.array(STRIDES)
    # Mean distance, in ratio, of each object from the nearest rung.
    distance = np.abs(np.log(sides[None, :, None] / ladder[:, None, :])).min(axis=2).mean(axis=1)
    return tuple(float(side) for side in ladder[int(distance.argmin())])


def _ratios(sides: FloatArray) -> tuple[float, ...]:
    """Height / width at the 10, 50 and 90 percent quantiles; one is enough for objects that are nearly square."""
    low, middle, high = (float(value) for value in np.quantile(sides[:, 1] / sides[:, 0], (0.1, 0.5, 0.9)))
    if high / low < 2.0:
        return (round(middle, 2),)
    return (round(low, 2), round(middle, 2), round(high, 2))


def _objects_per_tile(data: DetectionSet, side: float) -> int:
    """Most objects that fall on one tile of `side` image px, estimated from the densest image, at least 100."""
    densest = 0.0
    for image in data.images:
        share = min(1.0, side / image.size[0]) * min(1.0, side / image.size[1])
        # Objects cluster: a tile may hold twice its share of a large image.
        densest = max(densest, len(image.boxes) * min(1.0, 2 * share))
    return int(min(max(100, 1.5 * densest), 1000))
