"""One pass through the network: losses of a batch of views, or regions of a batch of pictures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import nn
from torchvision.ops import batched_nms, nms

from training.data.images import RGBArray
from training.detection.detectron2 import bridge as d2
from training.detection.detectron2 import retinanet
from training.detection.detectron2.found import Found
from training.detection.detectron2.masks import ChipMasks
from training.detection.views import View
from training.geometry.boxes import VIEWS, Float32, flip, paired_iou, seen

SCORE = 0.05
"""Regions whose best class is less likely than this are dropped."""
SAME = 0.5
"""IoU from which two regions of one class are one object."""
ONE_PLACE = 0.8
"""IoU from which two regions are one object whatever their classes."""


@dataclass(frozen=True)
class Regions:
    """What the network found on one picture, in its own px.

    Attributes:
        boxes: `(r, 4)` float32.
        probs: `(members, r, classes + 1)` float32, the background last.
        box_iou: `(members, r)` float32: how well each member's own box agrees with `boxes`.
        outlines: `(r, 28, 28)` float32 in [0, 1], relative to the boxes, or None.
        mask_iou: `(members, r)` float32, or None.
        vectors: `(r, d)` float32, unit length: what the second stage saw of each region.
    """

    boxes: Float32
    probs: Float32
    box_iou: Float32
    outlines: Float32 | None
    mask_iou: Float32 | None
    vectors: Float32


def losses(network: Any, views: Sequence[View], masks: bool) -> dict[str, torch.Tensor]:
    """The training losses of a batch."""
    images = _images(network, [view.pixels for view in views])
    truth = [_truth(view, masks, network.pixel_mean.device) for view in views]
    with d2.EventStorage(0):
        features = network.backbone(images.tensor)
        if _one_stage(network):
            return retinanet.losses(network, images, features, truth)
        proposals, first = network.proposal_generator(images, features, truth)
        _, second = network.roi_heads(images, features, proposals, truth)
    return {**first, **second}


def find(network: Any, pictures: Sequence[RGBArray], views: Sequence[str] = ("identity",)) -> list[Regions]:
    """The regions of each picture.

    Args:
        network: in evaluation mode.
        pictures: `(h, w, 3)` uint8, already zoomed.
        views: of `training.geometry.boxes.VIEWS`, the first is `identity`; every further one judges the regions that
            the first one found and becomes a member of the answer.
    """
    if not pictures:
        return []
    with torch.inference_mode(), d2.EventStorage(0):
        images = _images(network, pictures)
        features = network.backbone(images.tensor)
        found = [_chosen(network, each) for each in _proposed(network, images, features)]
        answers = [_Member(network, features, found)]
        for name in views[1:]:
            flipped = [np.ascontiguousarray(flip(picture, name)) for picture in pictures]
            sizes = [(picture.shape[0], picture.shape[1]) for picture in pictures]
            places = [Found(seen(f.boxes, s, name), f.probs, f.vectors) for f, s in zip(found, sizes, strict=True)]
            maps = network.backbone(_images(network, flipped).tensor)
            answers.append(_Member(network, maps, places, view=name, sizes=sizes))
    return [_regions(found[index], [answer.of(index) for answer in answers]) for index in range(len(pictures))]


def look(network: Any, picture: RGBArray, boxes: Float32) -> Regions:
    """What the network says about places that somebody else chose, `(r, 4)` px of the picture; they stay as given."""
    with torch.inference_mode(), d2.EventStorage(0):
        features = network.backbone(_images(network, [picture]).tensor)
        given = Found(boxes.astype(np.float32), np.zeros((0, 0), np.float32), np.zeros((0, 0), np.float32))
        own = _judged(network, features, [given])[0]
        outlines = _outlines(network, features, [given])
    found = Found(given.boxes, own.probs, own.vectors)
    return _regions(found, [(found, None if outlines is None else outlines[0])])


def _images(network: Any, pictures: Sequence[Any]) -> Any:
    device = network.pixel_mean.device
    tensors = []
    for pixels in pictures:
        tensor = torch.from_numpy(np.array(pixels)).to(device).permute(2, 0, 1).float()
        tensors.append((tensor - network.pixel_mean) / network.pixel_std)
    # Strides reach 32; the pyramid adds maps of neighboring strides, so sides must divide.
    return d2.ImageList.from_tensors(tensors, 32)


def _truth(view: View, masks: bool, device: torch.device) -> Any:
    truth = d2.Instances(view.pixels.shape[:2])
    truth.gt_boxes = d2.Boxes(torch.as_tensor(view.boxes, device=device))
    truth.gt_classes = torch.as_tensor(view.classes, device=device)
    if masks and view.chips is not None:
        chips = torch.as_tensor(np.ascontiguousarray(view.chips), device=device).float() / 255
        truth.gt_masks = ChipMasks(chips, torch.as_tensor(view.chip_boxes, device=device))
    truth._ignore = torch.as_tensor(view.ignore, device=device)
    truth._checked = None if view.checked is None else torch.as_tensor(view.checked, device=device)
    return truth


def _one_stage(network: Any) -> bool:
    return isinstance(network, d2.RetinaNet)


def _proposed(network: Any, images: Any, features: Any) -> list[Found]:
    """Everything that may be an object, several for one place."""
    if _one_stage(network):
        return retinanet.propose(network, features, images.image_sizes)
    proposals, _ = network.proposal_generator(images, features, None)
    return _second_stage(network, features, proposals)


def _judged(network: Any, features: Any, found: Sequence[Found]) -> list[Found]:
    """What the network says about given places: its own box, class distribution and feature vector of each."""
    if _one_stage(network):
        return retinanet.judge(network, features, [each.boxes for each in found])
    return _second_stage(network, features, [_places(each, network) for each in found])


def _second_stage(network: Any, features: Any, proposals: Sequence[Any]) -> list[Found]:
    """The refined box, class distribution and feature vector of each proposal."""
    heads = network.roi_heads
    maps = [features[name] for name in heads.box_in_features]
    inner = heads.box_head(heads.box_pooler(maps, [each.proposal_boxes for each in proposals]))
    scores, deltas = heads.box_predictor(inner)
    probs = torch.softmax(scores.float(), dim=1)
    places = torch.cat([each.proposal_boxes.tensor for each in proposals])
    boxes = heads.box_predictor.box2box_transform.apply_deltas(deltas.float(), places.float())
    vectors = nn.functional.normalize(inner.float(), dim=1)
    counts = [len(each) for each in proposals]
    answers = []
    for each, box, prob, vector in zip(
        proposals, *(torch.split(part, counts) for part in (boxes, probs, vectors)), strict=True
    ):
        kept = d2.Boxes(box)
        kept.clip(each.image_size)
        answers.append(Found(*(part.cpu().numpy() for part in (kept.tensor, prob, vector))))
    return answers


def _chosen(network: Any, found: Found) -> Found:
    """One region per object: best class likely enough, no two of a class at one place."""
    best, label = found.probs[:, :-1].max(axis=1), found.probs[:, :-1].argmax(axis=1)
    sides = found.boxes[:, 2:] - found.boxes[:, :2]
    usable = np.flatnonzero((best >= SCORE) & (sides.min(axis=1) > 0) & np.isfinite(found.boxes).all(axis=1))
    boxes, scores = torch.from_numpy(found.boxes[usable]), torch.from_numpy(best[usable])
    kept = batched_nms(boxes, scores, torch.from_numpy(label[usable]), SAME)
    kept = kept[nms(boxes[kept], scores[kept], ONE_PLACE)]
    most = (
        network.max_detections_per_image if _one_stage(network) else network.roi_heads.box_predictor.test_topk_per_image
    )
    index = usable[kept.numpy()][:most]
    return Found(found.boxes[index], found.probs[index], found.vectors[index])


class _Member:
    """What one view says about given places of every picture, in px of the upright picture."""

    def __init__(
        self,
        network: Any,
        features: Any,
        found: Sequence[Found],
        view: str = VIEWS[0],
        sizes: Sequence[tuple[int, int]] = (),
    ) -> None:
        self._view, self._sizes = view, sizes
        self._outlines = _outlines(network, features, found)
        if view == VIEWS[0]:
            self._own = list(found)
        else:
            self._own = _judged(network, features, found)

    def of(self, index: int) -> tuple[Found, Float32 | None]:
        own, outlines = self._own[index], None if self._outlines is None else self._outlines[index]
        if self._view == VIEWS[0]:
            return own, outlines
        boxes = seen(own.boxes, self._sizes[index], self._view)
        if outlines is not None:
            outlines = flip(outlines.transpose(1, 2, 0), self._view).transpose(2, 0, 1).astype(np.float32)
        return Found(boxes, own.probs, own.vectors), outlines


def _places(found: Found, network: Any) -> Any:
    # The size only limits clipping; a mirrored picture is as large as the upright one.
    places = d2.Instances((1 << 20, 1 << 20))
    places.proposal_boxes = d2.Boxes(torch.as_tensor(found.boxes, device=network.pixel_mean.device))
    return places


def _outlines(network: Any, features: Any, found: Sequence[Found]) -> list[Float32] | None:
    if _one_stage(network) or not network.roi_heads.mask_on:
        return None
    heads = network.roi_heads
    maps = [features[name] for name in heads.mask_in_features]
    boxes = [_places(each, network).proposal_boxes for each in found]
    pooled = heads.mask_pooler(maps, boxes)
    counts = [len(each.boxes) for each in found]
    if not sum(counts):
        return [np.zeros((0, 28, 28), dtype=np.float32) for _ in found]
    logits = heads.mask_head.layers(pooled)[:, 0].float()
    return [part.cpu().numpy() for part in torch.split(torch.sigmoid(logits), counts)]


def _regions(found: Found, members: Sequence[tuple[Found, Float32 | None]]) -> Regions:
    outlines = members[0][1]
    agreement = None
    if outlines is not None:
        sure = outlines > 0.5
        others = [np.zeros_like(sure) if other is None else other > 0.5 for _, other in members]
        shared = np.stack([(sure & other).sum(axis=(1, 2)) for other in others])
        union = np.stack([(sure | other).sum(axis=(1, 2)) for other in others])
        agreement = np.where(union > 0, shared / np.maximum(union, 1), 1.0).astype(np.float32)
    return Regions(
        boxes=found.boxes,
        probs=np.stack([own.probs for own, _ in members]),
        box_iou=np.stack([paired_iou(own.boxes, found.boxes) for own, _ in members]),
        outlines=outlines,
        mask_iou=agreement,
        vectors=found.vectors,
    )
