"""Boxes that look different, or lie elsewhere, in another view of the image."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from strategies._math.pointwise import Float32, best, per_item, region_scores
from strategies._math.simplex import entropy
from strategies.base import Pool, Ranking
from strategies.detection._regions import objectness


@dataclass(frozen=True)
class BoxDisagreement:
    """Images whose boxes change most between mirrored and turned views.

    u(x) = sum_b o_b (1 - mean_m IoU_m(b) + mean_m JS(p_0(b), p_m(b)) / log 2) over the views m = 1, 2, ...; o_b is the
    probability that there is an object, JS the Jensen-Shannon divergence in nats.

    Args:
        aggregate: how the boxes of an image are folded: "sum", "mean" or "max".

    Paper: Yu, Zhu, Yang, Chen (2022), Consistency-based Active Learning for Object Detection, arXiv:2103.10374
    """

    aggregate: str = "sum"
    needs: ClassVar[frozenset[str]] = frozenset({"probs", "members", "background", "box_overlaps"})

    def rank(self, pool: Pool, budget: int, rng: np.random.Generator) -> Ranking:
        """See `strategies.base.Strategy`."""
        assert pool.box_overlaps is not None
        moved = 1 - pool.box_overlaps[1:].mean(axis=0)
        differs = region_scores(pool, _divergence)
        scores = objectness(pool) * (moved + differs)
        utilities = per_item(scores.astype(np.float32), pool.offsets, self.aggregate)
        evidence = {
            "moved": per_item(moved.astype(np.float32), pool.offsets, "max"),
            "disagreement": per_item(differs, pool.offsets, "max"),
        }
        return Ranking(best(pool, utilities, budget), utilities, evidence)


def _divergence(probs: Float32) -> Float32:
    """Mean Jensen-Shannon divergence of the members from the first, over its maximum: `(members, r, c)` -> `(r,)`."""
    first, others = probs[:1], probs[1:]
    mixed = entropy((first + others) * np.float32(0.5)) - (entropy(first) + entropy(others)) / 2
    return np.asarray(np.clip(mixed.mean(axis=0) / np.log(2), 0, 1), dtype=np.float32)
