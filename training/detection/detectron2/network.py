"""Faster R-CNN, Mask R-CNN or RetinaNet from a `Plan`: Detectron2's network with one full configuration of our own.

Ren et al. (2015), Faster R-CNN, arXiv:1506.01497; He et al. (2017), Mask R-CNN, arXiv:1703.06870; Lin et al. (2017),
Feature Pyramid Networks for Object Detection, arXiv:1612.03144. Norms are chosen so that nothing depends on the look of
a batch: group norm where a part starts from scratch, frozen batch norm where it comes pretrained.
"""

from __future__ import annotations

from typing import Any

import timm
import torch
from torch import nn

from training.detection.detectron2 import bridge as d2
from training.detection.detectron2 import retinanet
from training.detection.detectron2.unknown import unknown_places
from training.detection.plan import STRIDES, ZOO, Plan
from training.encoders import lite0
from training.types import TrainingError

LITE0_CHANNELS = (24, 40, 112, 320)
LEVELS = ("p2", "p3", "p4", "p5")


def build(plan: Plan, device: torch.device, *, pretrained: bool = True) -> nn.Module:
    """The network of a plan.

    Args:
        plan: its shape.
        device: where it lives.
        pretrained: load the bundled ImageNet weights into a `lite0` backbone; off when a checkpoint follows anyway.
    """
    network: nn.Module = d2.build_model(_configuration(plan, device, pretrained))
    return network


def _configuration(plan: Plan, device: torch.device, pretrained: bool) -> Any:
    cfg = d2.get_cfg()
    model = cfg.MODEL
    model.DEVICE = str(device)
    model.META_ARCHITECTURE = "GeneralizedRCNN"
    model.MASK_ON = plan.masks
    model.WEIGHTS = ""
    cfg.INPUT.FORMAT = "RGB"
    _backbone(cfg, plan, pretrained)
    model.FPN.OUT_CHANNELS, model.FPN.NORM = plan.channels, "" if plan.backbone == ZOO else "GN"
    model.ANCHOR_GENERATOR.NAME = "PapLoopAnchors"
    model.ANCHOR_GENERATOR.SIZES = [[side] for side in plan.anchors]
    model.ANCHOR_GENERATOR.ASPECT_RATIOS = [list(plan.ratios)]
    model.ANCHOR_GENERATOR.OFFSET = 0.5
    if plan.stages == 1:
        retinanet.configure(model, plan)
    else:
        _proposals(model, plan)
        _heads(model, plan)
    cfg.TEST.DETECTIONS_PER_IMAGE = plan.objects
    cfg.freeze()
    return cfg


def _backbone(cfg: Any, plan: Plan, pretrained: bool) -> None:
    model = cfg.MODEL
    if plan.backbone == "lite0":
        model.BACKBONE.NAME = "PapLoopLite0Pyramid" if pretrained else "PapLoopBareLite0Pyramid"
        model.PIXEL_MEAN, model.PIXEL_STD = [127.0] * 3, [128.0] * 3
        model.FPN.IN_FEATURES = list(LEVELS)
        return
    zoo = plan.backbone == ZOO
    model.BACKBONE.NAME, model.BACKBONE.FREEZE_AT = "build_resnet_fpn_backbone", 2 if zoo else 0
    model.PIXEL_MEAN, model.PIXEL_STD = [123.7, 116.3, 103.5], [1.0] * 3 if zoo else [58.4, 57.1, 57.4]
    model.RESNETS.DEPTH = 18 if plan.backbone == "r18" else 50
    model.RESNETS.RES2_OUT_CHANNELS = 64 if plan.backbone == "r18" else 256
    model.RESNETS.NORM, model.RESNETS.STRIDE_IN_1X1 = "FrozenBN" if zoo else "GN", zoo
    model.RESNETS.OUT_FEATURES = ["res2", "res3", "res4", "res5"]
    model.FPN.IN_FEATURES = ["res2", "res3", "res4", "res5"]


def _proposals(model: Any, plan: Plan) -> None:
    model.PROPOSAL_GENERATOR.NAME = "PapLoopRPN"
    rpn = model.RPN
    rpn.IN_FEATURES = list(LEVELS)
    rpn.BATCH_SIZE_PER_IMAGE = 128
    rpn.PRE_NMS_TOPK_TRAIN, rpn.POST_NMS_TOPK_TRAIN = 500, max(300, plan.proposals)
    rpn.PRE_NMS_TOPK_TEST, rpn.POST_NMS_TOPK_TEST = max(500, plan.proposals), plan.proposals


def _heads(model: Any, plan: Plan) -> None:
    heads = model.ROI_HEADS
    heads.NAME, heads.IN_FEATURES = "PapLoopHeads", list(LEVELS)
    heads.NUM_CLASSES, heads.BATCH_SIZE_PER_IMAGE = len(plan.classes), 128
    box = model.ROI_BOX_HEAD
    box.NAME, box.NUM_FC, box.FC_DIM = "FastRCNNConvFCHead", 2, 256
    box.POOLER_RESOLUTION, box.POOLER_SAMPLING_RATIO = 7, 2
    # One box a proposal: the class distribution then belongs to one place, not to one per class.
    box.CLS_AGNOSTIC_BBOX_REG = True
    mask = model.ROI_MASK_HEAD
    mask.NAME, mask.NUM_CONV, mask.CONV_DIM = "MaskRCNNConvUpsampleHead", 2, 64
    mask.POOLER_RESOLUTION, mask.POOLER_SAMPLING_RATIO = 14, 2
    mask.CLS_AGNOSTIC_MASK = True


class _Lite0(d2.Backbone):
    """ImageNet EfficientNet-Lite0 at strides 4 to 32 with batch norm held still."""

    def __init__(self, pretrained: bool) -> None:
        super().__init__()
        self.body = timm.create_model(
            "efficientnet_lite0", pretrained=False, features_only=True, out_indices=(1, 2, 3, 4)
        )
        if pretrained:
            _fill(self.body)
        self.train(True)

    def train(self, mode: bool = True) -> _Lite0:
        """Batch norm stays in evaluation mode whatever is asked."""
        super().train(mode)
        for module in self.modules():
            if isinstance(module, nn.BatchNorm2d):
                nn.Module.train(module, False)
        return self

    def forward(self, pixels: torch.Tensor) -> dict[str, torch.Tensor]:
        """`(n, 3, h, w)` -> one map a stride."""
        return dict(zip(LEVELS, self.body(pixels), strict=True))

    def output_shape(self) -> dict[str, object]:
        """Channels and stride of each map."""
        return {
            name: d2.ShapeSpec(channels=channels, stride=stride)
            for name, channels, stride in zip(LEVELS, LITE0_CHANNELS, STRIDES, strict=True)
        }


def _fill(body: nn.Module) -> None:
    """The encoder's weights under the same names; its last layers have no place in a pyramid."""
    whole, _ = lite0.features("", pretrained=True)
    missing = body.load_state_dict(whole.state_dict(), strict=False).missing_keys
    if missing:
        raise TrainingError(f"The weights of lite0 lack {missing[0]}; install the pinned version of timm.")


def _lite0_pyramid(cfg: Any, pretrained: bool) -> nn.Module:
    network: nn.Module = d2.FPN(
        bottom_up=_Lite0(pretrained),
        in_features=cfg.MODEL.FPN.IN_FEATURES,
        out_channels=cfg.MODEL.FPN.OUT_CHANNELS,
        norm=cfg.MODEL.FPN.NORM,
    )
    return network


@d2.BACKBONE_REGISTRY.register()
def PapLoopLite0Pyramid(cfg: Any, _input_shape: Any) -> nn.Module:  # noqa: N802  (a name in Detectron2's registry)
    """Feature pyramid on Lite0 with ImageNet weights."""
    return _lite0_pyramid(cfg, True)


@d2.BACKBONE_REGISTRY.register()
def PapLoopBareLite0Pyramid(cfg: Any, _input_shape: Any) -> nn.Module:  # noqa: N802  (a name in Detectron2's registry)
    """The same without weights, for a checkpoint that brings its own."""
    return _lite0_pyramid(cfg, False)


@d2.ANCHOR_GENERATOR_REGISTRY.register()
class PapLoopAnchors(d2.DefaultAnchorGenerator):
    """Detectron2's anchors, laid out without a call that torch warns of at every step."""

    def _grid_anchors(self, grid_sizes: Any) -> list[torch.Tensor]:
        anchors = []
        for (height, width), stride, base in zip(grid_sizes, self.strides, self.cell_anchors.buffers(), strict=True):
            across = (torch.arange(width, device=base.device) + self.offset) * stride
            down = (torch.arange(height, device=base.device) + self.offset) * stride
            y, x = torch.meshgrid(down, across, indexing="ij")
            shifts = torch.stack([x, y, x, y], dim=-1).reshape(-1, 1, 4)
            anchors.append((shifts + base).reshape(-1, 4))
        return anchors


@d2.PROPOSAL_GENERATOR_REGISTRY.register()
class PapLoopRPN(d2.RPN):
    """Region proposals that are never taught "background" at a place nobody looked at."""

    @torch.no_grad()
    def label_and_sample_anchors(
        self, anchors: Any, gt_instances: Any
    ) -> tuple[list[torch.Tensor], list[torch.Tensor]]:
        """As in Detectron2, with anchors at unknown places left out of the loss."""
        every = d2.Boxes.cat(anchors)
        labels, matched = [], []
        for truth in gt_instances:
            index, label = self.anchor_matcher(d2.pairwise_iou(truth.gt_boxes, every))
            label[(label == 0) & unknown_places(every.tensor, truth)] = -1
            labels.append(self._subsample_labels(label))
            found = len(truth.gt_boxes) > 0
            matched.append(truth.gt_boxes[index].tensor if found else torch.zeros_like(every.tensor))
        return labels, matched


@d2.ROI_HEADS_REGISTRY.register()
class PapLoopHeads(d2.StandardROIHeads):
    """Second stage with the same respect for unknown places."""

    @torch.no_grad()
    def label_and_sample_proposals(self, proposals: Any, targets: Any) -> Any:
        """As in Detectron2, with unmatched proposals at unknown places left out."""
        chosen = []
        for places, truth in zip(d2.add_ground_truth_to_proposals(targets, proposals), targets, strict=True):
            index, label = self.proposal_matcher(d2.pairwise_iou(truth.gt_boxes, places.proposal_boxes))
            usable = ~((label == 0) & unknown_places(places.proposal_boxes.tensor, truth))
            places, index, label = places[usable], index[usable], label[usable]
            sampled, classes = self._sample_proposals(index, label, truth.gt_classes)
            places = places[sampled]
            places.gt_classes = classes
            if len(truth):
                for name, value in truth.get_fields().items():
                    if not places.has(name):
                        places.set(name, value[index[sampled]])
            chosen.append(places)
        return chosen
