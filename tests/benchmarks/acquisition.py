"""What the benchmarks of acquisition share: pools, clocks, memory, and the times for the picture.

A line holds wall seconds (`value`, `baseline`, `ratio`) and processor seconds over all threads (`cpu`, `baseline_cpu`,
`ratio_cpu`), which other jobs on the machine disturb less. Linear algebra runs on one thread in both; strategies use
the cores that the process may use through `strategies._math.threads`, the baselines one.
"""

from __future__ import annotations

import json
import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import strategies
from strategies.base import Pool

LABELLED = 200
DIMENSION = 256
TIMES = Path("bench-results/strategies-times.json")

Float32 = NDArray[np.float32]


@dataclass(frozen=True)
class Spent:
    wall: float
    cpu: float

    def times(self, factor: float) -> Spent:
        return Spent(self.wall * factor, self.cpu * factor)


def clock(work: Callable[[], Any], repeats: int = 1) -> Spent:
    """Least wall and least processor seconds of a few runs."""
    walls, cpus = [], []
    for _ in range(repeats):
        wall, cpu = time.perf_counter(), time.process_time()
        work()
        walls.append(time.perf_counter() - wall)
        cpus.append(time.process_time() - cpu)
    return Spent(min(walls), min(cpus))


def blocks(n: int, kind: str) -> Iterator[Float32]:
    """Unit vectors, 50,000 at a time: 200 blobs, or one cloud with a power-law spectrum."""
    rng = np.random.default_rng(0)
    centres = rng.standard_normal((200, DIMENSION), dtype=np.float32)
    spectrum = np.arange(1, DIMENSION + 1, dtype=np.float32) ** -0.5
    for start in range(0, n, 50_000):
        rows = rng.standard_normal((min(50_000, n - start), DIMENSION), dtype=np.float32)
        rows = rows * 0.5 + centres[rng.integers(0, 200, len(rows))] if kind == "clustered" else rows * spectrum
        yield rows / np.linalg.norm(rows, axis=1, keepdims=True)


def vectors(n: int, kind: str) -> Float32:
    """All blocks `(n, 256)`."""
    return np.concatenate(list(blocks(n, kind)))


def mapped(n: int, kind: str, folder: Path) -> Float32:
    """The same in a file, memory-mapped."""
    path = folder / "vectors.f32"
    with path.open("wb") as file:
        for block in blocks(n, kind):
            file.write(block.astype(np.float32).tobytes())
    return np.memmap(path, dtype=np.float32, mode="r", shape=(n, DIMENSION))


def pool_of(rows: Float32, classes: int = 10, members: int = 1) -> Pool:
    """A pool with 200 labels and probabilities from random linear heads."""
    n = len(rows)
    rng = np.random.default_rng(1)
    probs = np.empty((members, n, classes), dtype=np.float32)
    for member in range(members):
        head = rng.standard_normal((DIMENSION, classes)).astype(np.float32) * 6
        for start in range(0, n, 50_000):
            scores = rows[start : start + 50_000] @ head
            odds = np.exp(scores - scores.max(axis=1, keepdims=True))
            probs[member, start : start + 50_000] = odds / odds.sum(axis=1, keepdims=True)
    labelled = np.zeros(n, dtype=bool)
    labelled[rng.choice(n, LABELLED, replace=False)] = True
    labels = np.where(labelled, rng.integers(0, classes, n), -1)
    every = np.arange(n, dtype=np.int64)
    return Pool(every, probs, np.arange(n + 1), rows, None, labels, labelled, every)


def ask(name: str, pool: Pool, budget: int) -> NDArray[np.int64]:
    """The order of a strategy."""
    return strategies.rank(name, pool, budget, np.random.default_rng(0)).order


def line(name: str, ours: Spent, baseline: Spent, target: float) -> dict[str, Any]:
    """One measurement; ratio = how many times faster than the baseline."""
    return {
        "name": name,
        "value": round(ours.wall, 4),
        "unit": "s",
        "baseline": round(baseline.wall, 4),
        "ratio": round(baseline.wall / ours.wall, 2),
        "target": target,
        "cpu": round(ours.cpu, 4),
        "baseline_cpu": round(baseline.cpu, 4),
        "ratio_cpu": round(baseline.cpu / ours.cpu, 2),
        "load": round(os.getloadavg()[0], 1),
    }


def memory(name: str, gigabytes: float) -> dict[str, Any]:
    """Peak memory beyond the pool; ratio = limit of 2 GiB / value."""
    value = max(round(gigabytes, 3), 0.001)
    return {"name": name, "value": value, "unit": "GiB", "baseline": 2.0, "ratio": round(2 / value, 2), "target": 1.0}


class Peak:
    """Most anonymous memory of the process while it is watched, beyond what there was, GiB (Linux)."""

    def __init__(self) -> None:
        self.extra = 0.0


@contextmanager
def watched() -> Iterator[Peak]:
    """Look at the memory every 5 ms; pages of mapped files do not count."""
    peak, start, done = Peak(), _anonymous(), threading.Event()

    def look() -> None:
        while not done.wait(0.005):
            peak.extra = max(peak.extra, _anonymous() - start)

    watcher = threading.Thread(target=look)
    watcher.start()
    try:
        yield peak
    finally:
        done.set()
        watcher.join()


def _anonymous() -> float:
    text = Path("/proc/self/status").read_text()
    return int(text.split("RssAnon:")[1].split()[0]) / 1024**2


def remember(series: str, n: int, spent: Spent) -> None:
    """Keep a point of the picture; parts of the benchmark may run at different times."""
    TIMES.parent.mkdir(exist_ok=True)
    kept = json.loads(TIMES.read_text()) if TIMES.exists() else {}
    kept.setdefault(series, {})[str(n)] = {"wall": round(spent.wall, 5), "cpu": round(spent.cpu, 5)}
    TIMES.write_text(json.dumps(kept, indent=1))
