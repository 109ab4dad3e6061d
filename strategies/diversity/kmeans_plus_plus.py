"""k-means++ seeding as an acquisition order."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from strategies._math.kmeans import Points, assign
from strategies._math.sampling import DistanceSampler
from strategies._math.staircase import staircase
from strategies.base import Pool, Ranking


@dataclass(frozen=True)
class KmeansPlusPlus:
    """Items drawn with probability proportional to the squared distance from the nearest labeled or drawn one.

    P(x) ~ min_{s in S} ||h(x) - h(s)||^2; the first is drawn uniformly where nothing is labeled. Exact draws by
    rejection (see `_math.sampling`). Less drawn to outliers than core-set.

    Paper: Arthur, Vassilvitskii (2007), k-means++: The Advantages of Careful Seeding
    """

    needs: ClassVar[frozenset[str]] = frozenset({"embeddings"})

    def rank(self, pool: Pool, budget: int, rng: np.random.Generator) -> Ranking:
        """See `strategies.base.Strategy`."""
        candidates = pool.open
        labelled = np.flatnonzero(pool.labelled)
        start: NDArray[np.float32] = np.full(len(candidates), np.float32(4))
        if len(labelled):
            start = assign(pool.embeddings, candidates, pool.embeddings[labelled].astype(np.float32))[1]
        whole = len(candidates) == len(pool)
        sampler = DistanceSampler(Points(pool.embeddings, None if whole else candidates), start, rng)
        first = [] if len(labelled) else [int(rng.integers(len(candidates)))]
        for point in first:
            sampler.take(point)
        picks = np.concatenate([np.array(first, dtype=np.int64), sampler.draw(budget - len(first))])
        squared = np.zeros(len(pool))
        squared[candidates] = sampler.distances()
        order = candidates[picks]
        return Ranking(order, staircase(len(pool), order, squared), {"spread": np.sqrt(squared)})
