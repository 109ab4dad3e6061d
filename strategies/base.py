"""The contract of every acquisition strategy: `Pool` in, `Ranking` out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar, Protocol

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.floating]
IntArray = NDArray[np.int64]
BoolArray = NDArray[np.bool_]

NEEDS = frozenset(
    {
        "probs",
        "members",
        "embeddings",
        "region_embeddings",
        "labels",
        "background",
        "box_overlaps",
        "mask_overlaps",
    }
)


class StrategyError(ValueError):
    """A strategy was asked for something it cannot do, or broke its contract; the message names it."""


@dataclass(frozen=True)
class Pool:
    """A snapshot of one project's items as arrays.

    Items have different numbers of regions: a classified image is one region, a detector finds any number, also none.
    The regions of all items lie in one row, and `offsets` says where those of each item begin. Four items, n = 4, on
    which c classes are told apart:

        item                  0        1     2           3
        its regions           r0 r1    -     r2 r3 r4    r5
        offsets               0        2     2           5     6    (n + 1,) = (5,); the last one counts the regions
        embeddings            e0       e1    e2          e3         (n, d) = (4, d)
        labels                -1       -1    1           -1         (n,) = (4,); item 2 is labeled, with class 1

        probs[member]         r0 r1  r2 r3 r4  r5                   (6, c) for each member, rows sum to 1
        region_embeddings     r0 r1  r2 r3 r4  r5                   (6, d')
        box_overlaps[member]  r0 r1  r2 r3 r4  r5                   (6,) for each member

    Attributes:
        ids: `(n,)` int64, the caller's identifiers, distinct.
        probs: `(members, regions, classes)` float32, rows sum to 1; `members` is 0 when there is no model.
        offsets: `(n + 1,)` int64; the regions of item i are `probs[:, offsets[i]:offsets[i + 1]]`.
        embeddings: `(n, d)` float32, unit length; `d` may be 0.
        region_embeddings: `(regions, d')` float32 or None.
        labels: `(n,)` int64, class index of labeled items, -1 elsewhere.
        labelled: `(n,)` bool.
        groups: `(n,)` int64; equal number = near-duplicates.
        candidates: `(n,)` bool, what a strategy may choose from; None means every unlabeled item. `strategies.rank`
            sets it to one member of each duplicate group without a labeled member, so strategies never see copies.
        background: the last class of `probs` means "no object": the regions are what a detector found.
        box_overlaps: `(members, regions)` float32 in [0, 1]: IoU of each member's own box with the region's, or None.
        mask_overlaps: the same of masks, or None.
    """

    ids: IntArray
    probs: FloatArray
    offsets: IntArray
    embeddings: FloatArray
    region_embeddings: FloatArray | None
    labels: IntArray
    labelled: BoolArray
    groups: IntArray
    candidates: BoolArray | None = None
    background: bool = False
    box_overlaps: FloatArray | None = None
    mask_overlaps: FloatArray | None = None

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def open(self) -> IntArray:
        """`(m,)` int64 positions that may be chosen."""
        return np.flatnonzero(~self.labelled if self.candidates is None else self.candidates)


@dataclass(frozen=True)
class Ranking:
    """What a strategy returns.

    Attributes:
        order: `(k,)` int64 positions in the pool, label these first.
        utilities: `(n,)` float64, higher = sooner; finite for every item.
        evidence: named columns of `(n,)` behind the utility, see `strategies.why`.
        note: in words why this order and not another one (a switch, a radius that was chosen), or empty.
        facts: the numbers behind the note; JSON-serializable, for the provenance of the ranking.
        by: the strategy that made the order, where it is not the one that was asked.
    """

    order: IntArray
    utilities: NDArray[np.float64]
    evidence: Mapping[str, FloatArray] = field(default_factory=dict)
    note: str = ""
    facts: Mapping[str, object] = field(default_factory=dict)
    by: str = ""


class Strategy(Protocol):
    """One file in a family folder holds one class with this shape; its fields are the strategy's parameters.

    A class that sets `revisits = True` may also order labeled items, to have them looked at again. One that sets
    `checks_probs = True` reads all probabilities through `_math.pointwise`, which refuses what is not a distribution,
    so that `rank` need not read them once more.
    """

    needs: ClassVar[frozenset[str]]

    def rank(self, pool: Pool, budget: int, rng: np.random.Generator) -> Ranking:
        """Order `budget` of the pool's candidates, most instructive first.

        Args:
            pool: sorted by ids; at least `budget` candidates, `budget` at least 1.
            budget: how many to order.
            rng: the only source of randomness.
        """
        ...
