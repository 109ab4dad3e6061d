"""The images that a strategy would label next, given a detector trained on the labels so far."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

import strategies
from ml_backend.ordering.object_pool import detection_pool
from strategies.base import FloatArray, Pool
from training.classification.vectors import embed_paths
from training.data.detection_set import DetectionSet
from training.detection.detectron2.rcnn import Detector
from training.detection.recipe import Recipe
from training.types import Detections, TrainingError

VIEWS = 2
"""Members for strategies that compare views: the image as it is and mirrored."""
OF_MODEL = frozenset({"probs", "members", "background", "region_embeddings", "box_overlaps", "mask_overlaps"})


class Chooser:
    """Ranks a pool whose labels are hidden.

    Args:
        pool: images to choose from.
        recipe: device and threads of the detectors.
        encoder: of whole images; they are embedded once, and only where a strategy asks for it.
    """

    def __init__(self, pool: DetectionSet, recipe: Recipe, encoder: str) -> None:
        self.pool, self.recipe, self.encoder = pool, recipe, encoder
        self._embedded: FloatArray | None = None
        self._last: tuple[Path, int, list[Detections]] | None = None

    def members(self, name: str) -> int:
        """Views of each pool image that a strategy needs; 0 = it needs no detector."""
        needs = strategies.describe(name).needs
        if not needs & OF_MODEL:
            return 0
        return VIEWS if needs & {"members", "box_overlaps", "mask_overlaps"} else 1

    def look(self, name: str, checkpoint: Path) -> Sequence[Detections]:
        """What the detector finds on each image of the pool, as far as the strategy needs it.

        Several strategies use the first detector of a seed; its predictions are kept until another detector is used.
        """
        members = self.members(name)
        if not members:
            return ()
        if self._last is None or self._last[:2] != (checkpoint, members):
            detector = Detector.load(checkpoint, device=self.recipe.device, threads=self.recipe.threads)
            images = [image.path for image in self.pool.images]
            self._last = checkpoint, members, list(detector.predict(images, members=members))
        return self._last[2]

    def next(
        self,
        name: str,
        found: Sequence[Detections],
        labelled: Sequence[int],
        budget: int,
        rng: np.random.Generator,
    ) -> list[int]:
        """Positions of the images to label next, so that `budget` are labeled.

        Args:
            name: strategy.
            found: from `look`.
            labelled: positions that are labeled already.
            budget: how many are labeled afterwards.
            rng: of the strategy.

        Raises:
            StrategyError: the strategy cannot work here.
            TrainingError: an image cannot be embedded.
        """
        embeddings = self._embeddings() if "embeddings" in strategies.describe(name).needs else None
        ranking = strategies.rank(name, self._state(found, labelled, embeddings), budget - len(labelled), rng)
        return [int(position) for position in ranking.order]

    def _embeddings(self) -> FloatArray:
        if self._embedded is None:
            vectors = embed_paths(self.encoder, [image.path for image in self.pool.images], self.recipe.threads)
            if not np.isfinite(vectors).all():
                raise TrainingError(
                    "An image of the pool cannot be embedded. Leave out the strategies that need embeddings."
                )
            self._embedded = vectors
        return self._embedded

    def _state(self, found: Sequence[Detections], labelled: Sequence[int], embeddings: FloatArray | None) -> Pool:
        count = len(self.pool.images)
        known = np.zeros(count, dtype=bool)
        known[list(labelled)] = True
        numbers = np.arange(count, dtype=np.int64)
        nothing = Detections((1, 1), np.zeros((0, 4), np.float32), np.zeros((1, 0, 1), np.float32))
        state = detection_pool(numbers, found or [nothing] * count, known, numbers, embeddings)
        return state if found else replace(state, probs=np.zeros((0, 0, 0), dtype=np.float32))
