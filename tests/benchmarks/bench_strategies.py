"""Acquisition speed against the named baselines, on one thread, in processor seconds (the machine may be shared).

`ratio` is baseline / value: how many times faster. A picture of time against n is written to
`bench-results/strategies.png`. scikit-activeml comes with the extra `bench`; without it its lines are left out.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

import strategies
from strategies.base import Pool

NAMES = (
    "core_set",
    "typiclust",
    "prob_cover",
    "badge",
    "entropy",
    "margin",
    "least_confidence",
    "extra_memory",
    "auto",
)
SIZES = {"small": (10_000,), "medium": (10_000, 100_000), "full": (10_000, 100_000, 1_000_000)}
PICTURE = Path("bench-results/strategies.png")
LABELLED = 200
DIMENSION = 256
POINTWISE = ("entropy", "margin", "least_confidence")

Float32 = NDArray[np.float32]
Times = dict[str, list[tuple[int, float]]]


def vectors(n: int, kind: str) -> Float32:
    """Unit vectors `(n, 256)`: 200 blobs, or one cloud with a power-law spectrum."""
    rng = np.random.default_rng(0)
    centres = rng.standard_normal((200, DIMENSION), dtype=np.float32)
    spectrum = np.arange(1, DIMENSION + 1, dtype=np.float32) ** -0.5
    out = np.empty((n, DIMENSION), dtype=np.float32)
    for start in range(0, n, 50_000):
        block = rng.standard_normal((min(50_000, n - start), DIMENSION), dtype=np.float32)
        block = block * 0.5 + centres[rng.integers(0, 200, len(block))] if kind == "clustered" else block * spectrum
        out[start : start + 50_000] = block / np.linalg.norm(block, axis=1, keepdims=True)
    return out


def pool_of(rows: Float32, classes: int = 10) -> Pool:
    """A pool with 200 labels and probabilities from a random linear head."""
    n = len(rows)
    rng = np.random.default_rng(1)
    scores = rows @ rng.standard_normal((DIMENSION, classes)).astype(np.float32) * 6
    probs = np.exp(scores - scores.max(axis=1, keepdims=True))
    probs /= probs.sum(axis=1, keepdims=True)
    labelled = np.zeros(n, dtype=bool)
    labelled[rng.choice(n, LABELLED, replace=False)] = True
    labels = np.where(labelled, rng.integers(0, classes, n), -1)
    every = np.arange(n, dtype=np.int64)
    return Pool(every, probs[None], np.arange(n + 1), rows, None, labels, labelled, every)


def seconds(work: Callable[[], Any], repeats: int = 1) -> float:
    """Least processor seconds of a few runs."""
    best = np.inf
    for _ in range(repeats):
        start = time.process_time()
        work()
        best = min(best, time.process_time() - start)
    return float(best)


def forget_peak() -> float:
    """Start the measurement of peak memory anew (Linux); memory in use now, GiB."""
    Path("/proc/self/clear_refs").write_text("5")
    return _status("VmRSS")


def peak() -> float:
    """Peak memory since `forget_peak`, GiB."""
    return _status("VmHWM")


def _status(key: str) -> float:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(float(text.split()[1]) for text in lines if text.startswith(key)) / 1024**2


def line(name: str, value: float, baseline: float, target: float) -> dict[str, Any]:
    """One measurement where less is better."""
    ratio = round(baseline / value, 2)
    return {
        "name": name,
        "value": round(value, 4),
        "unit": "s cpu",
        "baseline": round(baseline, 4),
        "ratio": ratio,
        "target": target,
    }


def ask(name: str, pool: Pool, budget: int) -> NDArray[np.int64]:
    """The order of a strategy."""
    return strategies.rank(name, pool, budget, np.random.default_rng(0)).order


def plain_core_set(pool: Pool, picks: int) -> tuple[list[int], float]:
    """Greedy with one matrix-vector product per pick; seconds without the pass over the labelled items."""
    rows, centres = pool.embeddings, np.flatnonzero(pool.labelled)
    gap = np.empty(len(rows), dtype=np.float32)
    for start in range(0, len(rows), 8192):
        gap[start : start + 8192] = 2 - 2 * (rows[start : start + 8192] @ rows[centres].T).max(axis=1)
    gap[centres] = -1
    chosen: list[int] = []
    start_time = time.process_time()
    for _ in range(picks):
        best = int(gap.argmax())
        chosen.append(best)
        np.minimum(gap, 2 - 2 * (rows @ rows[best]), out=gap)
        gap[best] = -1
    return chosen, time.process_time() - start_time


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


def core_set(sizes: tuple[int, ...], times: Times) -> Iterator[dict[str, Any]]:
    """Exact core-set, 1,000 picks; above 100,000 the baseline's time is scaled up from 50 picks."""
    targets = {10_000: 1.0, 100_000: 25.0, 1_000_000: 40.0}
    for n in sizes:
        for kind in ("clustered", "power_law"):
            pool = pool_of(vectors(n, kind))
            before = forget_peak()
            value = seconds(lambda pool=pool: ask("core_set", pool, 1000), 3 if n < 1_000_000 else 2)
            extra = peak() - before
            picks = 1000 if n <= 100_000 else 50
            theirs, baseline = plain_core_set(pool, picks)
            same_picks(pool, ask("core_set", pool, 1000), theirs)
            baseline *= 1000 / picks
            yield line(f"core_set_{kind}_{n}", value, baseline, targets[n])
            times.setdefault(f"core_set {kind}", []).append((n, value))
            times.setdefault("plain greedy", []).append((n, baseline))
        yield memory(f"extra_memory_core_set_{n}", extra)


def memory(name: str, gigabytes: float) -> dict[str, Any]:
    """Peak memory beyond the pool; ratio = limit of 2 GiB / value."""
    value = max(round(gigabytes, 3), 0.001)
    return {"name": name, "value": value, "unit": "GiB", "baseline": 2.0, "ratio": round(2 / value, 2), "target": 1.0}


def peers(times: Times) -> Iterator[dict[str, Any]]:
    """TypiClust, ProbCover and BADGE at n = 10,000 and k = 100 against scikit-activeml."""
    try:
        import skactiveml.pool as peer
        from skactiveml.classifier import SklearnClassifier
        from sklearn.linear_model import LogisticRegression
    except ImportError:
        sys.stderr.write("scikit-activeml is not installed (pip install '.[bench]'): its comparisons are left out.\n")
        return
    pool = pool_of(vectors(10_000, "clustered"))
    labels = np.where(pool.labelled, pool.labels, np.nan).astype(float)
    head = SklearnClassifier(LogisticRegression(max_iter=200), classes=list(range(10)), missing_label=np.nan)
    head.fit(pool.embeddings, labels)
    theirs: dict[str, Callable[[], Any]] = {
        "typiclust": lambda: peer.TypiClust(random_state=0).query(pool.embeddings, labels, batch_size=100),
        "prob_cover": lambda: peer.ProbCover(random_state=0, n_classes=10).query(
            pool.embeddings, labels, batch_size=100
        ),
        "badge": lambda: peer.Badge(random_state=0).query(
            pool.embeddings, labels, clf=head, fit_clf=False, batch_size=100
        ),
    }
    for name, work in theirs.items():
        baseline = seconds(work)
        value = seconds(lambda name=name: ask(name, pool, 100), 3)
        yield line(f"{name}_10000", value, baseline, 20.0)
        times.setdefault(f"scikit-activeml {name}", []).append((10_000, baseline))


def at_scale(sizes: tuple[int, ...], times: Times) -> Iterator[dict[str, Any]]:
    """Every other batch strategy finishes at every size, 100 picks; memory beyond the pool under 2 GiB."""
    names = ("typiclust", "prob_cover", "badge", "kmeans_plus_plus", "clue", "cluster_margin", "auto")
    for n in sizes:
        pool = pool_of(vectors(n, "clustered"))
        for name in names:
            before = forget_peak()
            value = seconds(lambda name=name, pool=pool: ask(name, pool, 100))
            times.setdefault(name, []).append((n, value))
            extra = peak() - before
            if n == max(sizes):
                yield memory(f"extra_memory_{name}_{n}", extra)


def pointwise(images: int, times: Times) -> Iterator[dict[str, Any]]:
    """Images x 10 regions x 20 classes; baseline: one pass (the sum of all probabilities)."""
    rng = np.random.default_rng(0)
    probs = np.empty((1, images * 10, 20), dtype=np.float32)
    for start in range(0, images * 10, 100_000):
        block = rng.random((min(100_000, images * 10 - start), 20), dtype=np.float32) ** 4
        probs[0, start : start + 100_000] = block / block.sum(axis=1, keepdims=True)
    every = np.arange(images, dtype=np.int64)
    none = np.zeros((images, 0), np.float32)
    mask = np.zeros(images, dtype=bool)
    pool = Pool(every, probs, np.arange(images + 1) * 10, none, None, np.full(images, -1), mask, every)
    once = seconds(lambda: probs.sum(), 3)
    for name in POINTWISE:
        before = forget_peak()
        value = seconds(lambda name=name: ask(name, pool, 1000), 3)
        extra = peak() - before
        # Within 3 passes: a ratio of a third or more.
        yield line(f"{name}_{images}x10x20", value, once, round(1 / 3, 3))
        yield memory(f"extra_memory_{name}_{images}x10x20", extra)
        times.setdefault(f"{name} (10 regions, 20 classes)", []).append((images, value))


def draw(times: Times) -> None:
    """Time against n, both logarithmic."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 6), layout="constrained")
    axes = figure.add_subplot()
    for name, points in sorted(times.items()):
        ordered = sorted(points)
        peer = name.startswith(("plain", "scikit"))
        axes.loglog(*zip(*ordered, strict=True), "x--" if peer else "o-", label=name)
    axes.set_xlabel("images")
    axes.set_ylabel("processor seconds, one thread (core-set: 1,000 picks, others: 100)")
    axes.grid(alpha=0.3, which="both")
    axes.legend(fontsize=7)
    PICTURE.parent.mkdir(exist_ok=True)
    figure.savefig(PICTURE, dpi=140)


def measurements(scale: str = "full") -> Iterator[dict[str, Any]]:
    """All lines; `scale` is small (10^4), medium (10^5) or full (10^6)."""
    sizes = SIZES[scale]
    times: Times = {}
    with threadpool_limits(1):
        yield from peers(times)
        yield from pointwise(max(sizes), times)
        yield from core_set(sizes, times)
        yield from at_scale(sizes, times)
    draw(times)
