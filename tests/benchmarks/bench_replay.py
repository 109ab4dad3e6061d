"""Does `auto` pay? The trial that started the project, replayed on herlev_cells: `auto` against it and against peers.

Protocol, as near as it is known: frozen Lite0 embeddings, 128 principal components of the pool (no labels), logistic
regression with scikit-learn's defaults, a test part of whole groups (source images with nearby numbers together, 30
percent, another one for each seed), 30 to 300 labels in steps of 30, area = mean macro-F1. The trial is kernel herding
(Chen, Welling, Smola 2010, Super-Samples from Kernel Herding) for the first rounds, then entropy. What needs a model
begins with the images that random draws. scikit-activeml comes with the extra `bench`; without it, or without the
images, its lines are left out.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import f1_score

import strategies
from ml_backend.experiments.replay.report import labels_needed
from ml_backend.experiments.replay.source import LabelledSet, hold_out, read_folders
from strategies.base import Pool

NAMES = ("replay_area", "replay_labels")
SEEDS = 16
BUDGETS = tuple(range(30, 301, 30))
HERDED = 60
"""Labels at which the trial goes over from herding to entropy; the best of 40, 60 and 80 on other splits."""
RESULTS = Path("bench-results/replay.npz")
OURS = ("uniform", "entropy", "margin", "core_set", "typiclust", "badge", "auto")

Float = NDArray[np.floating]
Chooser = Callable[["Game", Pool, int, np.random.Generator], NDArray[np.int64]]


@dataclass(frozen=True)
class Game:
    """One seed: a pool and a test part, as components."""

    pool: LabelledSet
    test: LabelledSet
    features: Float
    asked: Float


def game(images: LabelledSet, seed: int) -> Game:
    """Hold groups out and fit the components on the rest."""
    held = hold_out(images, 0.3, seed)
    pool, test = images.part(~held), images.part(held)
    components = PCA(128, random_state=0).fit(pool.vectors)
    return Game(pool, test, components.transform(pool.vectors), components.transform(test.vectors))


def curve(this: Game, choose: Chooser, needs_model: bool, seed: int) -> NDArray[np.float64]:
    """Macro-F1 at every budget."""
    labelled = np.zeros(len(this.pool), dtype=bool)
    probs = np.zeros((0, len(labelled), len(this.pool.classes)), dtype=np.float32)
    scores = []
    for step, budget in enumerate(BUDGETS):
        rng = np.random.default_rng([seed, step])
        chooser = by_name("uniform") if needs_model and step == 0 else choose
        labelled[chooser(this, state(this, labelled, probs), budget - int(labelled.sum()), rng)] = True
        head = LogisticRegression(max_iter=1000).fit(this.features[labelled], this.pool.labels[labelled])
        probs = np.zeros((1, len(labelled), len(this.pool.classes)), dtype=np.float32)
        probs[0][:, head.classes_] = head.predict_proba(this.features)
        truth = this.test.labels
        scores.append(f1_score(truth, head.predict(this.asked), labels=np.unique(truth), average="macro"))
    return np.array(scores)


def full_score(this: Game) -> float:
    """Macro-F1 with all labels of the pool."""
    head = LogisticRegression(max_iter=1000).fit(this.features, this.pool.labels)
    truth = this.test.labels
    return float(f1_score(truth, head.predict(this.asked), labels=np.unique(truth), average="macro"))


def state(this: Game, labelled: NDArray[np.bool_], probs: NDArray[np.float32]) -> Pool:
    """The pool as a strategy sees it."""
    every = np.arange(len(labelled), dtype=np.int64)
    labels = np.where(labelled, this.pool.labels, -1)
    offsets = np.arange(len(labelled) + 1)
    return Pool(every, probs, offsets, this.pool.vectors, None, labels, labelled.copy(), every)


def by_name(name: str) -> Chooser:
    """One of ours."""
    return lambda _, pool, count, rng: strategies.rank(name, pool, count, rng).order


def herding_then_entropy(this: Game, pool: Pool, count: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """The trial: argmax of mean_x k(s, x) - sum_{picked} k(s, p) / (picked + 1) in turn, a Gaussian kernel."""
    if int(pool.labelled.sum()) >= HERDED:
        return strategies.rank("entropy", pool, count, rng).order
    rows = this.features
    squared = np.maximum((rows**2).sum(1)[:, None] + (rows**2).sum(1) - 2 * rows @ rows.T, 0)
    width = 0.5 * np.median(np.sqrt(squared[np.triu_indices(len(rows), 1)]))
    kernel = np.exp(-squared / (2 * width**2))
    taken, mean = np.flatnonzero(pool.labelled).tolist(), kernel.mean(axis=1)
    start = len(taken)
    for _ in range(count):
        scores = mean - kernel[:, taken].sum(axis=1) / (len(taken) + 1)
        scores[taken] = -np.inf
        taken.append(int(scores.argmax()))
    return np.array(taken[start:], dtype=np.int64)


def peers(classes: int) -> dict[str, Chooser]:
    """scikit-activeml's own entropy and core-set on the same components."""
    try:
        from skactiveml.classifier import SklearnClassifier
        from skactiveml.pool import CoreSet, UncertaintySampling
    except ImportError:
        sys.stderr.write("scikit-activeml is not installed (pip install '.[bench]'): its comparisons are left out.\n")
        return {}

    def seen(pool: Pool) -> NDArray[np.float64]:
        return np.where(pool.labelled, pool.labels, np.nan).astype(float)

    def entropy(this: Game, pool: Pool, count: int, rng: np.random.Generator) -> NDArray[np.int64]:
        head = SklearnClassifier(LogisticRegression(max_iter=1000), classes=list(range(classes)))
        query = UncertaintySampling(method="entropy", random_state=int(rng.integers(1 << 30)))
        return np.asarray(query.query(this.features, seen(pool), clf=head, batch_size=count))

    def core_set(this: Game, pool: Pool, count: int, rng: np.random.Generator) -> NDArray[np.int64]:
        query = CoreSet(random_state=int(rng.integers(1 << 30)))
        return np.asarray(query.query(this.features, seen(pool), batch_size=count))

    return {"skactiveml_entropy": entropy, "skactiveml_core_set": core_set}


def played(images: LabelledSet, seeds: int) -> tuple[dict[str, NDArray[np.float64]], NDArray[np.float64]]:
    """Curves `(seeds, budgets)` of every player, and the full scores `(seeds,)`."""
    choosers = {name: by_name(name) for name in OURS} | {"herding_then_entropy": herding_then_entropy}
    choosers |= peers(len(images.classes))
    needy = {name for name in OURS if "probs" in strategies.describe(name).needs} | {"skactiveml_entropy"}
    curves: dict[str, list[NDArray[np.float64]]] = {name: [] for name in choosers}
    full = []
    for seed in range(seeds):
        this = game(images, seed)
        full.append(full_score(this))
        for name, choose in choosers.items():
            curves[name].append(curve(this, choose, name in needy, seed))
        sys.stderr.write(f"seed {seed + 1} of {seeds}\n")
    return {name: np.array(rows) for name, rows in curves.items()}, np.array(full)


def line(name: str, value: float, baseline: float, ratio: float) -> dict[str, Any]:
    """One measurement; against the trial a ratio within the standard error of the difference (2 percent) counts."""
    values = {"value": round(value, 4), "baseline": round(baseline, 4)}
    unit = "labels" if "labels" in name else "macro-F1"
    target = 0.98 if "herding" in name else 1.0
    return {"name": name, **values, "unit": unit, "ratio": round(ratio, 3), "target": target}


def measurements(seeds: int = SEEDS) -> Iterator[dict[str, Any]]:
    """`auto` against each other player by area, and against random by labels for 95 percent of the full score."""
    folder = Path(os.environ.get("PAPLOOP_SHARED_DATA") or "../shared/data") / "herlev_cells"
    if not folder.is_dir():
        sys.stderr.write(f"{folder} was not found (PAPLOOP_SHARED_DATA): the replay is left out.\n")
        return
    (images,) = read_folders([folder], "lite0", r"^(?P<group>\d+)-", 150, 1)
    curves, full = played(images, seeds)
    RESULTS.parent.mkdir(exist_ok=True)
    np.savez(RESULTS, full=full, **curves)
    area = {name: float(rows.mean()) for name, rows in curves.items()}
    for name in (name for name in curves if name != "auto"):
        yield line(f"replay_area_auto_against_{name}", area["auto"], area[name], area["auto"] / area[name])
    goal = 0.95 * float(full.mean())
    needed = {name: labels_needed(BUDGETS, rows.mean(axis=0), goal) or np.inf for name, rows in curves.items()}
    for name in ("uniform", "herding_then_entropy"):
        ratio = needed[name] / needed["auto"]
        yield line(f"replay_labels_for_95_percent_auto_against_{name}", needed["auto"], needed[name], ratio)
