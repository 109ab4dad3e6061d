"""RetinaNet from a `Plan`: one stage, boxes alone; every place of the pyramid judges itself.

Lin, Goyal, Girshick, He, Dollár (2017), Focal Loss for Dense Object Detection, arXiv:1708.02002. Its sigmoids score
each class independently. The distribution returned here is theirs under the condition that a place contains one class
or none: p(c) ~ s(c) * prod over j != c of (1 - s(j)), p(background) ~ prod of (1 - s(j)).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import nn

from training.detection.detectron2 import bridge as d2
from training.detection.detectron2.found import Found
from training.detection.detectron2.unknown import unknown_places
from training.detection.plan import STRIDES, Plan
from training.geometry.boxes import Float32

LEVELS = tuple(f"p{index}" for index in range(2, 2 + len(STRIDES)))
CANDIDATES = 1000
"""Places a picture that are looked at more closely."""
LEAST = 0.02
"""Places whose best class says less are passed over."""


def configure(model: Any, plan: Plan) -> None:
    """Fill Detectron2's `MODEL` configuration for a plan."""
    model.META_ARCHITECTURE = "PapLoopRetinaNet"
    retina = model.RETINANET
    retina.IN_FEATURES, retina.NUM_CLASSES = list(LEVELS), len(plan.classes)
    retina.NUM_CONVS = 2
    # Version 0.6 cannot build group norm here, and batch norm would depend on the look of the batch.
    retina.NORM = ""
    retina.IOU_THRESHOLDS, retina.IOU_LABELS = [0.4, 0.5], [0, -1, 1]


@d2.META_ARCH_REGISTRY.register()
class PapLoopRetinaNet(d2.RetinaNet):
    """Detectron2's RetinaNet that is never taught "background" at a place nobody looked at."""

    @torch.no_grad()
    def label_anchors(self, anchors: Any, gt_instances: Any) -> tuple[list[torch.Tensor], list[torch.Tensor]]:
        """As in Detectron2, with anchors at unknown places left out of the loss."""
        labels, matched = super().label_anchors(anchors, gt_instances)
        every = d2.Boxes.cat(anchors).tensor
        for label, truth in zip(labels, gt_instances, strict=True):
            label[(label == self.num_classes) & unknown_places(every, truth)] = -1
        return labels, matched


def losses(network: Any, images: Any, features: Any, truth: Sequence[Any]) -> dict[str, torch.Tensor]:
    """The training losses of a batch."""
    maps = _maps(network, features)
    found: dict[str, torch.Tensor] = network.forward_training(images, maps, network.head(maps), truth)
    return found


def propose(network: Any, features: Any, sizes: Sequence[tuple[int, int]]) -> list[Found]:
    """The most likely places of each picture of `sizes` `(height, width)` px, before any gives way to another."""
    dense = _Dense(network, features)
    found = []
    for picture, size in enumerate(sizes):
        best = dense.scores[picture].max(dim=1).values
        kept = torch.topk(best, min(CANDIDATES, len(best))).indices
        kept = kept[best[kept] > LEAST]
        found.append(dense.found(picture, kept, size))
    return found


def judge(network: Any, features: Any, places: Sequence[Float32]) -> list[Found]:
    """The network's prediction at given boxes `(r, 4)` of each image, taken from the anchor most similar to each
    box."""
    dense = _Dense(network, features)
    found = []
    for picture, boxes in enumerate(places):
        given = torch.as_tensor(boxes, device=dense.anchors.device).reshape(-1, 4)
        chosen = torch.zeros(0, dtype=torch.int64, device=given.device)
        if len(given):
            likeness = d2.pairwise_iou(d2.Boxes(given), d2.Boxes(dense.anchors))
            # Among anchors nearly as alike, the one that is surest speaks.
            near = likeness >= 0.8 * likeness.max(dim=1, keepdim=True).values
            chosen = torch.where(near, dense.scores[picture].max(dim=1).values[None], -1.0).argmax(dim=1)
        found.append(dense.found(picture, chosen, None))
    return found


def distribution(scores: torch.Tensor) -> torch.Tensor:
    """Sigmoids `(r, classes)` -> probabilities `(r, classes + 1)` of one class or none, the background last."""
    scores = scores.clamp(1e-6, 1 - 1e-6)
    odds = torch.cat([scores / (1 - scores), torch.ones_like(scores[:, :1])], dim=1)
    return odds / odds.sum(dim=1, keepdim=True)


class _Dense:
    """The head's answer at every place of the pyramid.

    Attributes:
        anchors: `(a, 4)` px.
        scores: `(n, a, classes)` sigmoids.
    """

    def __init__(self, network: Any, features: Any) -> None:
        maps, head = _maps(network, features), network.head
        inner = [head.cls_subnet(each) for each in maps]
        deltas = [head.bbox_pred(head.bbox_subnet(each)) for each in maps]
        self.anchors = d2.Boxes.cat(network.anchor_generator(maps)).tensor
        self.scores = _by_place([head.cls_score(each) for each in inner], network.num_classes).float().sigmoid()
        self._deltas = _by_place(deltas, 4).float()
        self._vectors = _by_place(inner, inner[0].shape[1])
        self._a_cell = len(self.anchors) // self._vectors.shape[1]
        self._transform = network.box2box_transform

    def found(self, picture: int, index: torch.Tensor, size: tuple[int, int] | None) -> Found:
        """The predictions of some anchors, clipped to an image of `size` px if that is given."""
        boxes = d2.Boxes(self._transform.apply_deltas(self._deltas[picture][index], self.anchors[index]))
        if size is not None:
            boxes.clip(size)
        vectors = nn.functional.normalize(self._vectors[picture][index // self._a_cell].float(), dim=1)
        parts = boxes.tensor, distribution(self.scores[picture][index]), vectors
        return Found(*(part.cpu().numpy() for part in parts))


def _maps(network: Any, features: Any) -> list[torch.Tensor]:
    return [features[name] for name in network.head_in_features]


def _by_place(maps: Sequence[torch.Tensor], width: int) -> torch.Tensor:
    """Maps `(n, k * width, h, w)` -> `(n, places, width)`, level by level, row by row, the k of a cell together."""
    parts = []
    for each in maps:
        count, _, height, breadth = each.shape
        parts.append(each.view(count, -1, width, height, breadth).permute(0, 3, 4, 1, 2).reshape(count, -1, width))
    return torch.cat(parts, dim=1)
