"""Near-duplicates among a million vectors: build the index, group all, check and add one; and pairs on pixels."""

from __future__ import annotations

import resource
import time
from collections.abc import Iterator
from typing import Any

import numpy as np

from strategies.near_duplicates.approximate import ApproximateIndex, choose_probes, learn_cells, move_by
from strategies.near_duplicates.groups import DEFAULT_RADIUS, Grouper
from strategies.near_duplicates.index import VectorIndex
from strategies.near_duplicates.verification.pairs import compare
from strategies.near_duplicates.verification.picture import take_picture
from tests.strategies.near_duplicates.specimens import specimen, turned

NAMES = (
    "duplicates_group_all",
    "duplicates_planted_recall",
    "duplicates_group_all_memory",
    "duplicates_check_and_add",
    "duplicates_check_and_add_p99",
    "duplicates_compare_pair",
)
DIMENSION = 256
CLUSTERS = 20_000
BATCH = 32_768


def measurements(scale: float = 1.0) -> Iterator[dict[str, Any]]:
    """One dict a measurement; `scale` 1 is a million vectors."""
    count = int(1_000_000 * scale)
    vectors, originals, copies = _planted(count, np.random.default_rng(0))
    yield from _groups(vectors, originals, copies)
    yield from _pairs()


def _planted(count: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Clustered unit vectors; 1 percent of them are near-duplicates of others, up to 0.95 of the radius away."""
    centres = rng.standard_normal((CLUSTERS, DIMENSION), np.float32)
    vectors = np.empty((count, DIMENSION), np.float32)
    for start in range(0, count, 50_000):
        rows = vectors[start : start + 50_000]
        rows[:] = centres[rng.integers(CLUSTERS, size=len(rows))]
        rows += 0.7 * rng.standard_normal(rows.shape, np.float32)
        rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    chosen = rng.permutation(count)[: 2 * (count // 100)].reshape(2, -1)
    originals, copies = np.sort(chosen, axis=0)
    far = rng.uniform(0, 0.95, size=len(copies))
    for original, copy, part in zip(originals, copies, far, strict=True):
        vectors[copy] = move_by(vectors[original : original + 1], DEFAULT_RADIUS * part, rng)[0]
    return vectors, originals, copies


def _groups(vectors: np.ndarray, originals: np.ndarray, copies: np.ndarray) -> Iterator[dict[str, Any]]:
    exact = _exact_seconds(vectors)
    before = _peak_mib()
    started = time.perf_counter()
    rng = np.random.default_rng(1)
    index = ApproximateIndex(learn_cells(vectors, rng))
    choose_probes(index, vectors, DEFAULT_RADIUS, rng)
    grouper = Grouper(index)
    numbers = np.concatenate(
        [grouper.assign(vectors[start : start + BATCH]) for start in range(0, len(vectors), BATCH)]
    )
    seconds = time.perf_counter() - started
    yield line("duplicates_group_all", seconds, "s", exact, exact / seconds, 5.0)
    recall = float(np.mean(numbers[originals] == numbers[copies]))
    yield line("duplicates_planted_recall", recall, "", 0.99, recall / 0.99, 1.0)
    used, whole = max(1.0, _peak_mib() - before), vectors.nbytes / 2**20
    yield line("duplicates_group_all_memory", used, "MiB", 2 * whole, 2 * whole / used, 1.0)
    yield from _one_by_one(grouper, vectors.shape[1])


def _exact_seconds(vectors: np.ndarray) -> float:
    """What an exact scan of all against all earlier ones would take, from a part of it."""
    index = VectorIndex(vectors.shape[1])
    index.add(vectors[:100_000])
    started = time.perf_counter()
    index.within(vectors[:1000], DEFAULT_RADIUS)
    one = (time.perf_counter() - started) / 1000 / len(index)
    return one * len(vectors) ** 2 / 2


def _one_by_one(grouper: Grouper, dimension: int) -> Iterator[dict[str, Any]]:
    rng = np.random.default_rng(2)
    arriving = rng.standard_normal((500, dimension), np.float32)
    arriving /= np.linalg.norm(arriving, axis=1, keepdims=True)
    took = []
    for vector in arriving:
        started = time.perf_counter()
        grouper.assign(vector[None])
        took.append(1000 * (time.perf_counter() - started))
    middle, slow = float(np.median(took)), float(np.percentile(took, 99))
    yield line("duplicates_check_and_add", middle, "ms", 10.0, 10.0 / middle, 1.0)
    # the slowest of a hundred also waits for whatever else the machine does
    yield line("duplicates_check_and_add_p99", slow, "ms", 10.0, 10.0 / slow, 0.5)


def _pairs() -> Iterator[dict[str, Any]]:
    """Pairs of unlike pictures, which most candidates are, and of copies."""
    images = [specimen(seed) for seed in range(8)]
    pictures = [take_picture(image) for image in images]
    copies = [take_picture(turned(image, 40.0)) for image in images]
    started = time.perf_counter()
    right = sum((compare(a, b) is not None) == (i == j) for i, a in enumerate(pictures) for j, b in enumerate(copies))
    milliseconds = 1000 * (time.perf_counter() - started) / 64
    assert right == 64, right
    yield line("duplicates_compare_pair", milliseconds, "ms", 16.0, 16.0 / milliseconds, 1.0)


def _peak_mib() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def line(name: str, value: float, unit: str, baseline: float, ratio: float, target: float) -> dict[str, Any]:
    """One measurement; a ratio of at least its target is good."""
    return {
        "name": name,
        "value": round(value, 4),
        "unit": unit,
        "baseline": round(baseline, 4),
        "ratio": round(ratio, 3),
        "target": target,
    }
