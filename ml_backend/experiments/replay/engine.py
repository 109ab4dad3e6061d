"""Simulates the loop on known labels: rank, reveal, train, measure, repeat."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import accuracy_score, f1_score

import strategies
from ml_backend.errors import BadRequest
from ml_backend.experiments.replay.head import Projection, probabilities
from ml_backend.experiments.replay.source import LabelledSet, hold_out
from strategies.base import BoolArray, IntArray, Pool
from training.types import Progress

BUDGETS = (20, 40, 60, 80, 120, 160, 200, 250, 300)
STRATEGIES = ("uniform", "entropy", "margin", "core_set", "typiclust", "badge", "auto")
HELD = frozenset({"probs", "embeddings", "labels"})
"""What a replay on class labels can offer a strategy."""
LEFT_OUT = 0.1
"""Share of the pool's groups that a seed does without, so that strategies without chance differ between seeds too."""

Float64 = NDArray[np.float64]


@dataclass(frozen=True)
class Replayed:
    """Scores of every strategy, seed and budget on held-out images.

    Attributes:
        budgets: `(b,)` numbers of labels.
        macro_f1: strategy -> `(seeds, b)`.
        full: labels, macro-F1 and accuracy with the whole pool, means over the seeds' test parts.
        full_by_seed: `(seeds,)` macro-F1 with the whole pool.
    """

    budgets: tuple[int, ...]
    macro_f1: Mapping[str, Float64]
    full: Mapping[str, float]
    full_by_seed: Float64


@dataclass(frozen=True)
class _Trial:
    """One seed: a pool, a test part and their features."""

    pool: LabelledSet
    test: LabelledSet
    features: NDArray[np.floating]
    asked: NDArray[np.floating]
    whole: tuple[int, float, float]
    seed: int


def replay(
    pool: LabelledSet,
    test: LabelledSet | None,
    names: Sequence[str],
    seeds: int,
    budgets: Sequence[int],
    *,
    fraction: float = 0.3,
    progress: Progress | None = None,
) -> Replayed:
    """Replay strategies; all see the same pool, the same test part and, where they need a model, the same start.

    A strategy that needs probabilities begins with the first budget drawn at random, the images that `uniform` draws.

    Args:
        pool: labeled images to choose from; without `test` a grouped part of it is held out, another for each seed.
        test: held-out images, or None.
        names: strategies; `uniform` is added when missing.
        seeds: how many repetitions.
        budgets: numbers of labels, rising; those above the pool are dropped.
        fraction: share held out where there is no `test`.
        progress: called with the progress.

    Raises:
        BadRequest: nothing to replay; the message says why.
        StrategyError: an unknown strategy, or one that cannot work here.
    """
    chosen = checked(names, seeds)
    trials = [_trial(pool, test, seed, fraction) for seed in range(seeds)]
    smallest = min(len(trial.pool) for trial in trials)
    kept = tuple(sorted({int(budget) for budget in budgets if 1 < budget <= smallest}))
    if not kept:
        raise BadRequest(f"No budget fits a pool of {smallest} images. Give smaller ones with --budgets.")
    scores: dict[str, Float64] = {name: np.empty((seeds, len(kept))) for name in chosen}
    steps = len(chosen) * seeds
    for number, (name, trial) in enumerate((name, trial) for name in chosen for trial in trials):
        if progress:
            progress(number / steps, f"{name}, seed {trial.seed + 1} of {seeds}")
        scores[name][trial.seed] = _curve(trial, name, kept)
    whole = np.array([trial.whole for trial in trials])
    full = {
        "labels": int(whole[:, 0].max()),
        "macro_f1": float(whole[:, 1].mean()),
        "accuracy": float(whole[:, 2].mean()),
    }
    return Replayed(kept, scores, full, whole[:, 1])


def checked(names: Sequence[str], seeds: int) -> list[str]:
    """The strategies to replay, `uniform` first; checked before the images are read, because it is cheap.

    Raises:
        BadRequest: no seeds, or a strategy that needs what a replay on class labels does not have.
        StrategyError: an unknown strategy.
    """
    chosen = list(dict.fromkeys(["uniform", *names]))
    for name in chosen:
        lacking = strategies.describe(name).needs - HELD
        if lacking:
            raise BadRequest(
                f"The strategy {name} needs {', '.join(sorted(lacking))}, but a replay on class labels has "
                "only one model and whole images. Leave it out of --strategies."
            )
    if seeds < 1:
        raise BadRequest("A replay needs at least one seed. Use --seeds 5.")
    return chosen


def _check_classes(pool: LabelledSet, test: LabelledSet) -> None:
    taught, asked = np.unique(pool.labels), np.unique(test.labels)
    unknown = [pool.classes[index] for index in np.setdiff1d(asked, taught)]
    if unknown:
        raise BadRequest(
            f"The test images have the class {', '.join(unknown)}, which the pool does not have. Give --test "
            "the same class folders as the pool."
        )
    if len(taught) < 2 or len(asked) < 2:
        raise BadRequest(
            "A replay needs at least two classes in the pool and in the test part. Check the class folders."
        )


def _trial(pool: LabelledSet, test: LabelledSet | None, seed: int, fraction: float) -> _Trial:
    if test is None:
        held = hold_out(pool, fraction, seed)
        pool, test = pool.part(~held), pool.part(held)
    else:
        _check_classes(pool, test)
        pool = pool.part(~np.isin(pool.groups, test.groups))
        if not len(pool):
            raise BadRequest("The pool is empty: every group of it is in the test part as well.")
    if len(pool) < 2 or len(test) < 2:
        raise BadRequest(f"{len(pool)} images in the pool and {len(test)} in the test part are too few for a replay.")
    projection = Projection.of(pool.vectors)
    classes = len(pool.classes)
    asked = projection(test.vectors)
    predicted = probabilities(projection(pool.vectors), pool.labels, asked, classes).argmax(axis=1)
    whole = (len(pool), macro_f1(test.labels, predicted), float(accuracy_score(test.labels, predicted)))
    part = pool.part(_most_groups(pool, seed))
    return _Trial(part, test, projection(part.vectors), asked, whole, seed)


def _most_groups(pool: LabelledSet, seed: int) -> BoolArray:
    groups = np.unique(pool.groups)
    lost = np.random.default_rng([seed, 1]).permutation(groups)[: int(LEFT_OUT * len(groups))]
    return ~np.isin(pool.groups, lost)


def macro_f1(truth: IntArray, predicted: IntArray) -> float:
    """Mean F1 over the classes of the test part."""
    return float(f1_score(truth, predicted, labels=np.unique(truth), average="macro", zero_division=0.0))


def _curve(trial: _Trial, name: str, budgets: Sequence[int]) -> Float64:
    pool, classes = trial.pool, len(trial.pool.classes)
    labelled = np.zeros(len(pool), dtype=bool)
    probs: NDArray[np.float32] = np.zeros((0, len(pool), classes), dtype=np.float32)
    needs_model = bool(strategies.describe(name).needs & {"probs", "members", "labels"})
    scores = np.empty(len(budgets))
    for step, budget in enumerate(budgets):
        asked = "uniform" if needs_model and not len(probs) else name
        rng = np.random.default_rng([trial.seed, step])
        state = _state(pool, labelled, probs)
        labelled[strategies.rank(asked, state, budget - int(labelled.sum()), rng).order] = True
        features = np.concatenate([trial.features, trial.asked])
        predicted = probabilities(trial.features[labelled], pool.labels[labelled], features, classes)
        probs = predicted[None, : len(pool)]
        scores[step] = macro_f1(trial.test.labels, predicted[len(pool) :].argmax(axis=1))
    return scores


def _state(pool: LabelledSet, labelled: BoolArray, probs: NDArray[np.float32]) -> Pool:
    count = len(pool)
    return Pool(
        ids=np.arange(count, dtype=np.int64),
        probs=probs,
        offsets=np.arange(count + 1, dtype=np.int64),
        embeddings=pool.vectors,
        region_embeddings=None,
        labels=np.where(labelled, pool.labels, -1).astype(np.int64),
        labelled=labelled.copy(),
        groups=np.arange(count, dtype=np.int64),
    )
