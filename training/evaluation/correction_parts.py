"""Detections and known objects that touch each other, as small independent parts whose corrections can be counted."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from training.data.detection_set import LabelledImage
from training.evaluation.detection import scored
from training.geometry.boxes import area, iou, overlap
from training.geometry.runs import mask_iou
from training.types import Detections, FloatArray

STANDS_FOR = 0.5
"""IoU from which a region can stand for an object."""


@dataclass(frozen=True)
class Costs:
    """What a correction costs, in any unit; only ratios matter.

    Attributes:
        delete: removing a region that stands for nothing.
        add: drawing an object that was not shown.
        relabel: giving a region another class.
    """

    delete: float = 1.0
    add: float = 1.0
    relabel: float = 1.0


@dataclass(frozen=True)
class Tally:
    """Corrections by kind, and regions that need none."""

    kept: int = 0
    deleted: int = 0
    added: int = 0
    relabeled: int = 0

    def __add__(self, other: Self) -> Tally:
        return Tally(
            self.kept + other.kept,
            self.deleted + other.deleted,
            self.added + other.added,
            self.relabeled + other.relabeled,
        )

    @property
    def corrections(self) -> int:
        """How many there are."""
        return self.deleted + self.added + self.relabeled

    def cost(self, costs: Costs) -> float:
        """Their sum in the unit of `costs`."""
        return costs.delete * self.deleted + costs.add * self.added + costs.relabel * self.relabeled


@dataclass(frozen=True)
class Part:
    """Regions and objects connected by overlaps; no region outside has to do with them.

    Attributes:
        scores: of the regions, highest first.
        labels: class numbers of the regions.
        objects: class numbers of the objects.
        pairs: `(region, object)` that overlap by `STANDS_FOR`, for each region the best first.
    """

    scores: tuple[float, ...]
    labels: tuple[int, ...]
    objects: tuple[int, ...]
    pairs: tuple[tuple[int, int], ...]

    def tally(self, limits: NDArray[np.float64], costs: Costs) -> Tally:
        """Corrections if each class is shown from its threshold."""
        shown = [score >= limits[label] for score, label in zip(self.scores, self.labels, strict=True)]
        return self._corrections(shown, costs)

    def steps(self, limits: NDArray[np.float64], varied: frozenset[int], costs: Costs) -> Iterator[tuple[float, float]]:
        """Score of each region of the classes `varied`, and by how much the cost changes when it is shown, too."""
        if varied.isdisjoint(self.labels):
            return
        shown = [
            label not in varied and score >= limits[label]
            for score, label in zip(self.scores, self.labels, strict=True)
        ]
        before = self._corrections(shown, costs).cost(costs)
        for region, label in enumerate(self.labels):
            if label in varied:
                shown[region] = True
                after = self._corrections(shown, costs).cost(costs)
                yield self.scores[region], after - before
                before = after

    def _corrections(self, shown: Sequence[bool], costs: Costs) -> Tally:
        """An annotator keeps what is right, then relabels what is in the right place, then deletes and draws."""
        used: set[int] = set()
        taken: set[int] = set()
        kept = 0
        for right in (True, False):
            if not right and costs.relabel >= costs.delete + costs.add:
                break
            for region, thing in self.pairs:
                is_free = shown[region] and region not in used and thing not in taken
                if is_free and right == (self.labels[region] == self.objects[thing]):
                    used.add(region)
                    taken.add(thing)
            kept = len(used) if right else kept
        return Tally(kept, sum(shown) - len(used), len(self.objects) - len(taken), len(used) - kept)


def parts_of(found: Sequence[Detections], truth: Sequence[LabelledImage], classes: int) -> list[Part]:
    """The parts of all images; what lies where nobody checked is left out, and so are regions in ignored places.

    Args:
        found: one per image; the distributions end with the background, which follows the `classes`.
        truth: the images in the same order.
        classes: number of classes.
    """
    parts: list[Part] = []
    for answer, image in zip(found, truth, strict=True):
        scores, labels = scored(answer)
        counts = _counts(answer.boxes, image)
        order = [
            int(index) for index in np.argsort(-scores, kind="stable") if counts[index] and labels[index] < classes
        ]
        searched = _searched(np.asarray(image.boxes, np.float32), image)
        overlaps = _overlaps(answer, image, order)[:, searched]
        parts += _connected(scores[order], labels[order], image.classes[searched], overlaps)
    return parts


def _overlaps(answer: Detections, image: LabelledImage, order: Sequence[int]) -> NDArray[np.floating]:
    if answer.masks is not None and image.masks is not None:
        return mask_iou([answer.masks[index] for index in order], list(image.outlines)).reshape(
            len(order), len(image.boxes)
        )
    return iou(np.asarray(answer.boxes[list(order)], np.float32).reshape(-1, 4), np.asarray(image.boxes, np.float32))


def _counts(boxes: FloatArray, image: LabelledImage) -> NDArray[np.bool_]:
    """Which regions count: not mostly inside an ignore region, and with their center where somebody searched."""
    regions = np.asarray(boxes, dtype=np.float32).reshape(-1, 4)
    counts = _searched(regions, image)
    if len(image.ignore):
        inside = overlap(regions, np.asarray(image.ignore, np.float32)).max(axis=1)
        counts &= inside < 0.5 * np.maximum(area(regions), 1e-9)
    return counts


def _searched(boxes: FloatArray, image: LabelledImage) -> NDArray[np.bool_]:
    """Which boxes have their center where somebody searched."""
    if image.checked is None:
        return np.ones(len(boxes), dtype=bool)
    x, y = (boxes[:, 0] + boxes[:, 2]) / 2, (boxes[:, 1] + boxes[:, 3]) / 2
    x1, y1, x2, y2 = np.asarray(image.checked).reshape(-1, 4).T[:, :, None]
    inside: NDArray[np.bool_] = ((x >= x1) & (x < x2) & (y >= y1) & (y < y2)).any(axis=0)
    return inside


def _connected(
    scores: FloatArray, labels: NDArray[np.int64], objects: NDArray[np.int64], overlaps: NDArray[np.floating]
) -> Iterator[Part]:
    """Regions (highest score first) and objects, apart where nothing connects them."""
    pairs = [(int(region), int(thing)) for region, thing in np.argwhere(overlaps >= STANDS_FOR)]
    root = list(range(len(scores) + len(objects)))

    def top(node: int) -> int:
        while root[node] != node:
            root[node] = root[root[node]]
            node = root[node]
        return node

    for region, thing in pairs:
        root[top(region)] = top(len(scores) + thing)
    groups: dict[int, tuple[list[int], list[int]]] = defaultdict(lambda: ([], []))
    for node in range(len(root)):
        is_object = node >= len(scores)
        groups[top(node)][is_object].append(node - len(scores) if is_object else node)
    linked: dict[int, list[tuple[int, int]]] = defaultdict(list)
    for region, thing in sorted(pairs, key=lambda pair: (pair[0], -overlaps[pair])):
        linked[top(region)].append((region, thing))
    for key, (regions, things) in groups.items():
        place = {region: index for index, region in enumerate(regions)}
        spot = {thing: index for index, thing in enumerate(things)}
        yield Part(
            tuple(float(scores[region]) for region in regions),
            tuple(int(labels[region]) for region in regions),
            tuple(int(objects[thing]) for thing in things),
            tuple((place[region], spot[thing]) for region, thing in linked[key]),
        )
