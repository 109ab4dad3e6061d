"""How a detector is trained: everything that a caller may choose."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Recipe:
    """How to train.

    Attributes:
        minutes: time for training and its checks; None: `iterations` alone decide.
        iterations: steps; None: as many as fit into `minutes`, or 600.
        batch: images a step.
        rate: peak learning rate of AdamW.
        seed: of every random choice.
        device: `auto`, `cpu` or `cuda`.
        threads: CPU threads.
        checks: validations during training; the best one's weights are kept.
        patience: training stops after so many checks in a row without a better one.
        backbone: of `training.detection.plan.BACKBONES`.
        zoom: network px per image px; None: found from the objects.
        stages: 2 for Faster and Mask R-CNN, 1 for RetinaNet.
        weights: where a first training with the backbone `r50-zoo` starts: `detectron2://...`, `https://...` or a file.
        weights_sha256: of these weights; empty: not checked.
        clock: seconds; replaced in tests.
    """

    minutes: float | None = None
    iterations: int | None = None
    batch: int = 2
    rate: float = 1e-3
    seed: int = 0
    device: str = "auto"
    threads: int = 1
    checks: int = 5
    patience: int = 3
    backbone: str = "lite0"
    zoom: float | None = None
    stages: int = 2
    weights: str = ""
    weights_sha256: str = ""
    clock: Callable[[], float] = time.monotonic
