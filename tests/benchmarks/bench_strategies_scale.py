"""Every other batch strategy at 10^4 to 10^6 memory-mapped vectors, 100 picks: it ends, below 2 GiB of its own."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from threadpoolctl import threadpool_limits

from tests.benchmarks.acquisition import ask, clock, mapped, memory, pool_of, remember, watched

SIZES = (10_000, 100_000, 1_000_000)
OURS = (
    "typiclust",
    "prob_cover",
    "badge",
    "kmeans_plus_plus",
    "max_herding",
    "uncertainty_herding",
    "density",
    "clue",
    "cluster_margin",
    "batch_bald",
    "auto",
)
NAMES = tuple(f"extra_memory_{name}_{max(SIZES)}" for name in OURS)


def measurements() -> Iterator[dict[str, Any]]:
    """One line a strategy: its memory at a million, with the seconds it took beside."""
    with threadpool_limits(1), tempfile.TemporaryDirectory() as folder:
        for n in SIZES[::-1]:
            pool = pool_of(mapped(n, "clustered", Path(folder)), members=2)
            for name in OURS:
                with watched() as peak:
                    ours = clock(lambda name=name, pool=pool: ask(name, pool, 100), 3 if n == min(SIZES) else 1)
                remember(name, n, ours)
                if n == max(SIZES):
                    found = memory(f"extra_memory_{name}_{n}", peak.extra)
                    yield {**found, "seconds": round(ours.wall, 2), "cpu": round(ours.cpu, 2)}
