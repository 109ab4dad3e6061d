"""Sentences on images with objects."""

from __future__ import annotations

import numpy as np

import strategies
from strategies.base import Pool
from strategies.why import phrase

CLASSES = ("LSIL", "HSIL")


def pool_of(*images: list[tuple[float, float, float]], overlaps: float | None = None) -> Pool:
    counts = [len(image) for image in images]
    rows = np.array([row for image in images for row in image], dtype=np.float32).reshape(-1, 3)
    members = 1 if overlaps is None else 2
    n = len(images)
    return Pool(
        ids=np.arange(n),
        probs=np.repeat(rows[None], members, axis=0),
        offsets=np.concatenate([[0], np.cumsum(counts)]).astype(np.int64),
        embeddings=np.zeros((n, 0), np.float32),
        region_embeddings=None,
        labels=np.full(n, -1),
        labelled=np.zeros(n, dtype=bool),
        groups=np.arange(n),
        background=True,
        box_overlaps=None
        if overlaps is None
        else np.stack([np.ones(len(rows)), np.full(len(rows), overlaps)]).astype(np.float32),
    )


def test_objects_and_what_is_uncertain_about_them() -> None:
    pool = pool_of(
        [(0.98, 0.01, 0.01), (0.5, 0.48, 0.02), (0.45, 0.5, 0.05), (0.02, 0.45, 0.53)],
        [(0.99, 0.005, 0.005)],
        [],
        [(0.02, 0.03, 0.95)],
    )
    ranking = strategies.rank("box_entropy", pool, 4, np.random.default_rng(0))
    said = [phrase(ranking, pool, CLASSES, position) for position in range(4)]
    assert said[0] == "3 objects, 2 uncertain between LSIL and HSIL, 1 that may be HSIL or nothing"
    assert said[1] == "1 object"
    assert said[2] == "nothing found on it"
    assert said[3] == "no certain object"


def test_several_pairs_are_mostly_one() -> None:
    pool = pool_of([(0.3, 0.1, 0.6), (0.1, 0.35, 0.55), (0.1, 0.38, 0.52)])
    ranking = strategies.rank("box_entropy", pool, 1, np.random.default_rng(0))
    assert phrase(ranking, pool, CLASSES, 0) == "no certain object, 3 that may be mostly HSIL or nothing"


def test_what_a_strategy_compared_is_said() -> None:
    pool = pool_of([(0.98, 0.01, 0.01)], overlaps=0.4)
    ranking = strategies.rank("box_disagreement", pool, 1, np.random.default_rng(0))
    assert phrase(ranking, pool, CLASSES, 0) == "1 object; boxes move when the image is mirrored"
    faint = pool_of([(0.3, 0.2, 0.5)] * 4)
    ranking = strategies.rank("expected_misses", faint, 1, np.random.default_rng(0))
    assert "about 2 objects that would not be shown" in phrase(ranking, faint, CLASSES, 0)
