"""Core-set, 1,000 picks, 200 labels, d = 256, against plain greedy with one matrix-vector product per pick."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from strategies.base import Pool
from tests.benchmarks.acquisition import Spent, ask, clock, line, mapped, memory, pool_of, remember, watched

TARGETS = {10_000: 1.0, 100_000: 25.0, 1_000_000: 40.0}
PLAIN_PICKS = {10_000: 1000, 100_000: 1000, 1_000_000: 60}
"""How many picks the baseline makes; its time is scaled to 1,000."""
NAMES = tuple(f"core_set_{kind}_{n}" for kind in ("clustered", "power_law") for n in TARGETS)
NAMES += ("extra_memory_core_set_1000000",)


def plain_core_set(pool: Pool, picks: int) -> tuple[list[int], Spent]:
    """Greedy; seconds without its pass over the labelled items."""
    rows, centres = np.asarray(pool.embeddings), np.flatnonzero(pool.labelled)
    gap = np.empty(len(rows), dtype=np.float32)
    for start in range(0, len(rows), 8192):
        gap[start : start + 8192] = 2 - 2 * (rows[start : start + 8192] @ rows[centres].T).max(axis=1)
    gap[centres] = -1
    chosen: list[int] = []

    def pick() -> None:
        for _ in range(picks):
            best = int(gap.argmax())
            chosen.append(best)
            np.minimum(gap, 2 - 2 * (rows @ rows[best]), out=gap)
            gap[best] = -1

    return chosen, clock(pick)


def same_picks(pool: Pool, ours: NDArray[np.int64], theirs: list[int]) -> None:
    """Stop unless both orders reach the same distances to float32 rounding, pick by pick."""

    def reached(order: list[int]) -> NDArray[np.floating]:
        gap = 2 - 2 * (pool.embeddings[order] @ pool.embeddings[pool.labelled].T).max(axis=1)
        inner = pool.embeddings[order] @ pool.embeddings[order].T
        before = np.where(np.tri(len(order), k=-1, dtype=bool), inner, -1.0).max(axis=1)
        return np.minimum(gap, 2 - 2 * before)

    off = float(np.abs(reached(ours[: len(theirs)].tolist()) - reached(theirs)).max())
    if off > 1e-5:
        raise AssertionError(f"Core-set picks differ from plain greedy: distances are off by {off:.2g}.")


def one_size(n: int, kind: str, folder: Path) -> Iterator[dict[str, Any]]:
    pool = pool_of(mapped(n, kind, folder))
    theirs, baseline = plain_core_set(pool, PLAIN_PICKS[n])
    baseline = baseline.times(1000 / PLAIN_PICKS[n])
    same_picks(pool, ask("core_set", pool, 1000), theirs)
    ours = clock(lambda: ask("core_set", pool, 1000), 5)
    yield line(f"core_set_{kind}_{n}", ours, baseline, TARGETS[n])
    remember(f"core_set, {kind} (1,000 picks)", n, ours)
    remember("plain greedy core-set (1,000 picks)", n, baseline)
    if n == max(TARGETS):
        with watched() as peak:
            ask("core_set", pool, 1000)
        yield memory(f"extra_memory_core_set_{n}", peak.extra)


def measurements() -> Iterator[dict[str, Any]]:
    """Every size on both kinds of data."""
    with threadpool_limits(1), tempfile.TemporaryDirectory() as folder:
        for n in TARGETS:
            for kind in ("clustered", "power_law"):
                yield from one_size(n, kind, Path(folder))
