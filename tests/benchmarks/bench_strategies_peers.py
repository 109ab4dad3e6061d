"""Core-set, TypiClust, ProbCover and BADGE against scikit-activeml (extra `bench`), one thread in its linear algebra.

n = 10,000 with 100 picks (the target) and n = 50,000 with 200; its ProbCover holds all pairs and is left out there.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits

from strategies.base import Pool
from tests.benchmarks.acquisition import ask, clock, line, pool_of, remember, vectors

TARGET = 20.0
OURS = ("core_set", "typiclust", "prob_cover", "badge")
SIZES = {10_000: 100, 50_000: 200}
NAMES = tuple(f"{name}_{n}" for n in SIZES for name in OURS if (name, n) != ("prob_cover", 50_000))


def peers(pool: Pool, picks: int) -> dict[str, Callable[[], Any]]:
    """The same question to scikit-activeml."""
    import skactiveml.pool as peer
    from skactiveml.classifier import SklearnClassifier
    from sklearn.linear_model import LogisticRegression

    rows = pool.embeddings
    labels = np.where(pool.labelled, pool.labels, np.nan).astype(float)
    head = SklearnClassifier(LogisticRegression(max_iter=200), classes=list(range(10)), missing_label=np.nan)
    head.fit(rows, labels)
    return {
        "core_set": lambda: peer.CoreSet(random_state=0).query(rows, labels, batch_size=picks),
        "typiclust": lambda: peer.TypiClust(random_state=0).query(rows, labels, batch_size=picks),
        "prob_cover": lambda: peer.ProbCover(random_state=0, n_classes=10).query(rows, labels, batch_size=picks),
        "badge": lambda: peer.Badge(random_state=0).query(rows, labels, clf=head, fit_clf=False, batch_size=picks),
    }


def measurements() -> Iterator[dict[str, Any]]:
    """Both sizes; nothing without scikit-activeml."""
    with threadpool_limits(1):
        for n, picks in SIZES.items():
            pool = pool_of(vectors(n, "clustered"))
            try:
                theirs = peers(pool, picks)
            except ImportError:
                sys.stderr.write("scikit-activeml is not installed (pip install '.[bench]'): comparisons left out.\n")
                return
            for name, work in theirs.items():
                if f"{name}_{n}" not in NAMES:
                    continue
                baseline = clock(work)
                ours = clock(lambda name=name, pool=pool, picks=picks: ask(name, pool, picks), 7)
                # Its own core-set is no target of the issue; the numpy baseline of the other file is.
                yield line(f"{name}_{n}", ours, baseline, 1.0 if name == "core_set" else TARGET)
                remember(f"scikit-activeml {name}", n, baseline)
