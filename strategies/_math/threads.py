"""Work on parts of an array on a few threads; numpy and OpenCV let go of the interpreter while they compute."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

Part = TypeVar("Part")
Result = TypeVar("Result")

MOST_THREADS = 4
"""Reading memory is the limit; more threads than this only wait for it."""

PART_BYTES = 1 << 24
"""What a thread takes at a time."""

CHUNK_BYTES = 1 << 20
"""What it reads at a time, so that it stays in the processor's cache."""


def each(work: Callable[[Part], Result], parts: Sequence[Part]) -> list[Result]:
    """`work` of each part, in order; on one thread where there is one part or one core."""
    threads = min(MOST_THREADS, len(parts), len(os.sched_getaffinity(0)))
    if threads < 2:
        return [work(part) for part in parts]
    with ThreadPoolExecutor(threads) as pool:
        return list(pool.map(work, parts))


def spans(total: int, step: int) -> list[tuple[int, int]]:
    """0 to `total` in pieces of at most `step`, which counts as 1 when it is less."""
    step = max(1, step)
    return [(start, min(start + step, total)) for start in range(0, total, step)]
