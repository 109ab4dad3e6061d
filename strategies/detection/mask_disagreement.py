"""Outlines that differ in another view of the image."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from strategies._math.pointwise import best, per_item
from strategies.base import Pool, Ranking
from strategies.detection._regions import objectness


@dataclass(frozen=True)
class MaskDisagreement:
    """Images whose outlines change most between mirrored and turned views.

    u(x) = sum_b o_b (1 - mean_m IoU_m(b)) of the masks over the views m = 1, 2, ...; o_b is the probability that there
    is an object.

    Args:
        aggregate: how the objects of an image are folded: "sum", "mean" or "max".

    Paper: Yu, Zhu, Yang, Chen (2022), Consistency-based Active Learning for Object Detection, arXiv:2103.10374
    """

    aggregate: str = "sum"
    needs: ClassVar[frozenset[str]] = frozenset({"probs", "members", "background", "mask_overlaps"})

    def rank(self, pool: Pool, budget: int, rng: np.random.Generator) -> Ranking:
        """See `strategies.base.Strategy`."""
        assert pool.mask_overlaps is not None
        changed = (1 - pool.mask_overlaps[1:].mean(axis=0)).astype(np.float32)
        utilities = per_item(objectness(pool) * changed, pool.offsets, self.aggregate)
        evidence = {"outlines_differ": per_item(changed, pool.offsets, "max")}
        return Ranking(best(pool, utilities, budget), utilities, evidence)
