"""Expected information about the model from the labels of a whole batch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from strategies._math.item_probs import member_distributions
from strategies._math.members import mutual_information
from strategies._math.staircase import staircase
from strategies.base import Pool, Ranking, StrategyError

Float64 = NDArray[np.float64]

BLOCK = 64


@dataclass(frozen=True)
class BatchBald:
    """Each pick adds most to the mutual information between the model and the labels of the batch.

    I(y_1..y_b; w) = H(y_1..y_b) - sum_i E_w H(y_i | w), greedily. The joint entropy is exact while the batch has at
    most `configurations` joint labels and estimated on as many sampled ones after that. A pick adds no more than its
    BALD, so only items whose BALD exceeds the best gain are looked at. From `batch` picks on: by BALD alone.

    Args:
        batch: how many picks are joint.
        configurations: joint labels that are kept.

    Paper: Kirsch, van Amersfoort, Gal (2019), BatchBALD: Efficient and Diverse Batch Acquisition, arXiv:1906.08158
    """

    batch: int = 10
    configurations: int = 2000
    needs: ClassVar[frozenset[str]] = frozenset({"probs", "members"})

    def __post_init__(self) -> None:
        if self.batch < 1 or self.configurations < 1:
            raise StrategyError("'batch' and 'configurations' must be at least 1.")

    def rank(self, pool: Pool, budget: int, rng: np.random.Generator) -> Ranking:
        """See `strategies.base.Strategy`."""
        probs = member_distributions(pool)
        bald = mutual_information(probs).astype(np.float64)
        open_items = pool.open
        by_bald = open_items[np.argsort(-bald[open_items], kind="stable")]
        joint = Joint(probs, self.configurations, rng)
        picks: list[int] = []
        while len(picks) < min(self.batch, budget):
            item = _best(by_bald, bald, joint, set(picks))
            joint.add(item)
            picks.append(item)
        rest = by_bald[~np.isin(by_bald, picks)]
        order = np.concatenate([np.array(picks, dtype=np.int64), rest])[:budget]
        return Ranking(order, staircase(len(pool), order, bald), {"disagreement": bald})


def _best(by_bald: NDArray[np.int64], bald: Float64, joint: Joint, picked: set[int]) -> int:
    """The item of highest gain; `by_bald` falls, and BALD bounds the gain from above."""
    best, gain = -1, -np.inf
    for start in range(0, len(by_bald), BLOCK):
        if bald[by_bald[start]] < gain and not joint.sampled:
            break
        block = np.array([p for p in by_bald[start : start + BLOCK] if p not in picked], dtype=np.int64)
        if not len(block):
            continue
        gains = joint.gains(block)
        place = int(gains.argmax())
        if gains[place] > gain:
            best, gain = int(block[place]), float(gains[place])
        if joint.sampled and start >= 16 * BLOCK:
            break
    return best


class Joint:
    """Joint distribution of the labels of a batch, one row of member probabilities per joint label.

    Args:
        probs: `(members, n, classes)`.
        limit: rows that are kept; beyond them rows are sampled in proportion to their probability.
        rng: for the sample.
    """

    def __init__(self, probs: NDArray[np.float32], limit: int, rng: np.random.Generator) -> None:
        self._probs = probs
        self._limit = limit
        self._rng = rng
        self.sampled = False
        self._rows: Float64 = np.ones((1, len(probs)))
        self._weights: Float64 = np.ones(1)
        self._entropy = 0.0

    def _joint(self, items: NDArray[np.int64]) -> Float64:
        """p(row, y) `(rows, items, classes)`."""
        members, _, classes = self._probs.shape
        each = self._probs[:, items].astype(np.float64).reshape(members, -1)
        return np.asarray((self._rows @ each / members).reshape(len(self._rows), len(items), classes))

    def _entropies(self, items: NDArray[np.int64]) -> Float64:
        """Entropy `(items,)` of batch and item together, each row standing for `weights` of its own probability."""
        joint = self._joint(items)
        logs = np.log(np.maximum(joint, 1e-300))
        return np.asarray(-np.einsum("r,ric,ric->i", self._weights, joint, logs))

    def gains(self, items: NDArray[np.int64]) -> Float64:
        """What each item adds to the mutual information, nats, `(items,)`."""
        each = self._probs[:, items].astype(np.float64)
        own = -np.einsum("mic,mic->i", each, np.log(np.maximum(each, 1e-300))) / len(each)
        return np.asarray(self._entropies(items) - self._entropy - own)

    def add(self, item: int) -> None:
        """Put an item into the batch."""
        each = self._probs[:, item].astype(np.float64)
        rows: Float64 = (self._rows[:, None, :] * each.T[None, :, :]).reshape(-1, len(each))
        weights = np.repeat(self._weights, each.shape[1])
        if len(rows) > self._limit:
            mass = weights * rows.mean(axis=1)
            chosen = self._rng.choice(len(rows), self._limit, p=mass / mass.sum())
            rows, weights = rows[chosen], 1.0 / (self._limit * np.maximum(rows[chosen].mean(axis=1), 1e-300))
            self.sampled = True
        self._rows, self._weights = rows, weights
        total = rows.mean(axis=1)
        self._entropy = float(-np.sum(weights * total * np.log(np.maximum(total, 1e-300))))
