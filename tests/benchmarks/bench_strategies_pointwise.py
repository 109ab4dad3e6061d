"""Pointwise strategies on 1,000,000 images x 10 regions x 20 classes, one and two members, against one pass.

One pass = `numpy.sum` over the contiguous probabilities, on one thread, measured in the same run: it reads every number
once, at the speed of the memory. `ratio` is one pass / ours, so a third is three passes. The whole call is measured,
with the checks of all probabilities, the folding of regions and the order of 1,000 picks.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits

from strategies.base import Pool
from tests.benchmarks.acquisition import ask, clock, line, memory, remember, watched

IMAGES, REGIONS, CLASSES = 1_000_000, 10, 20
NAMES_OF = {
    1: ("entropy", "margin", "least_confidence", "power", "softmax"),
    2: ("bald", "consensus_kl", "variation_ratio", "vote_entropy"),
}
NAMES = tuple(f"pointwise_{name}" for names in NAMES_OF.values() for name in names)


def pool_of(members: int, images: int) -> Pool:
    rng = np.random.default_rng(0)
    probs = np.empty((members, images * REGIONS, CLASSES), dtype=np.float32)
    for member in range(members):
        for start in range(0, images * REGIONS, 100_000):
            block = rng.random((min(100_000, images * REGIONS - start), CLASSES), dtype=np.float32) ** 4
            probs[member, start : start + len(block)] = block / block.sum(axis=1, keepdims=True)
    every = np.arange(images, dtype=np.int64)
    none, mask = np.zeros((images, 0), np.float32), np.zeros(images, dtype=bool)
    return Pool(every, probs, np.arange(images + 1) * REGIONS, none, None, np.full(images, -1), mask, every)


def measurements() -> Iterator[dict[str, Any]]:
    """Every strategy; peak memory too."""
    with threadpool_limits(1):
        for members, names in NAMES_OF.items():
            for images in (10_000, 100_000, IMAGES):
                pool = pool_of(members, images)
                once = clock(lambda pool=pool: pool.probs.sum(), 9)
                if members == 1:
                    remember("one pass over the probabilities", images, once)
                for name in names:
                    ours = clock(lambda name=name, pool=pool: ask(name, pool, 1000), 7)
                    if members == 1:
                        remember(f"{name} (10 regions, 20 classes)", images, ours)
                    if images == IMAGES:
                        yield line(f"pointwise_{name}", ours, once, round(1 / 3, 3))
                        with watched() as peak:
                            ask(name, pool, 1000)
                        yield memory(f"extra_memory_pointwise_{name}", peak.extra)
