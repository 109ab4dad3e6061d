"""The network that a training starts from: a new one, one of the model zoo, or a detector that is gone on from."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from training.data.detection_set import DetectionSet
from training.detection import checkpoint as detection_checkpoint
from training.detection.detectron2.network import build
from training.detection.plan import ZOO, Plan, plan_for
from training.detection.zoo.weights import fill
from training.types import TrainingError

if TYPE_CHECKING:
    from training.detection.recipe import Recipe


def first_network(
    train: DetectionSet, recipe: Recipe, device: torch.device, init: Path | None
) -> tuple[Plan, Any, int, list[str]]:
    """Plan, network, number of tensors taken over, and what the user should know, one sentence each.

    Args:
        train: what will be learned.
        recipe: names backbone, stages and weights.
        device: where the network lives.
        init: a detector to go on from; its shape is kept.

    Raises:
        TrainingError: nothing can be learned from the data, or a detector or weights cannot be used.
    """
    plan = plan_for(train, backbone=recipe.backbone, zoom=recipe.zoom, stages=recipe.stages)
    if init is None:
        network = build(plan, device)
        return plan, network, _from_zoo(network, recipe), []
    before, weights, _ = detection_checkpoint.read(init)
    # The old network's shape, the new data's classes: only what depends on classes and outlines may change.
    plan = replace(
        before,
        classes=plan.classes,
        masks=plan.masks and before.stages == 2,
        objects=max(before.objects, plan.objects),
    )
    network = build(plan, device, pretrained=False)
    notes = [
        f"The class {name} is no longer in the data. The model drops it and keeps what it learned about the others."
        for name in before.classes
        if name not in plan.classes
    ]
    return plan, network, detection_checkpoint.warm_start(network, plan, weights, before), notes


def _from_zoo(network: Any, recipe: Recipe) -> int:
    """Load the weights that the recipe names into a network; returns how many tensors."""
    if (recipe.backbone == ZOO) != bool(recipe.weights):
        raise TrainingError(
            f"The backbone {ZOO} needs weights of Detectron2's model zoo, and such weights need that backbone. "
            "Give both or neither."
        )
    return fill(network, recipe.weights, recipe.weights_sha256) if recipe.weights else 0
