"""Calibrates probabilities with one temperature, fitted on held-out items, and measures the error before and after.

Guo, Pleiss, Sun, Weinberger (2017), On Calibration of Modern Neural Networks, arXiv:1706.04599.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass

import numpy as np

from training.types import FloatArray, IntArray, TrainingError

MIN_ITEMS = 20
"""Fewer held-out items say too little about confidence."""
FOLDS = 5

_LOWEST, _HIGHEST = 0.1, 10.0
_PRIOR_ITEMS = 4.0
"""Weight of the belief that the temperature is near 1, so that twenty lucky items cannot make a model certain."""


@dataclass(frozen=True)
class Calibration:
    """A fitted temperature and what it did.

    Attributes:
        temperature: logits are divided by it; 1 changes nothing.
        items: held-out items it rests on.
        ece_before: expected calibration error at temperature 1, or None without items.
        ece_after: the same with temperatures fitted on the other folds, so that no item judges its own fit.
        note: why the temperature stayed 1; empty when it was fitted.
    """

    temperature: float
    items: int
    ece_before: float | None
    ece_after: float | None
    note: str = ""

    def as_dict(self) -> dict[str, object]:
        """JSON form."""
        return asdict(self)


def calibrate(probs: FloatArray, truth: IntArray, *, seed: int, groups: IntArray | None = None) -> Calibration:
    """Fit a temperature on held-out items, or say why not.

    Args:
        probs: `(n, c)` rows sum to 1, at temperature 1.
        truth: `(n,)` class indices.
        seed: of the folds behind `ece_after`.
        groups: `(n,)` items of one group stay in one fold.
    """
    known = probs[np.arange(len(truth)), truth] > 0
    probs, truth = probs[known], truth[known]
    groups = np.arange(len(truth)) if groups is None else groups[known]
    items = len(truth)
    if items == 0:
        return Calibration(1.0, 0, None, None, "No held-out label yet, so probabilities are not calibrated.")
    before = expected_calibration_error(probs, truth)
    if items < MIN_ITEMS:
        note = f"{items} held-out labels are too few to calibrate confidence; {MIN_ITEMS} are needed."
        return Calibration(1.0, items, before, None, note)
    after = expected_calibration_error(cross_fitted(probs, truth, seed=seed, groups=groups), truth)
    return Calibration(fit_temperature(probs, truth), items, before, after)


def fit_temperature(probs: FloatArray, truth: IntArray) -> float:
    """The temperature in [0.1, 10] that makes the truth most likely, drawn slightly towards 1.

    Args:
        probs: `(n, c)` rows sum to 1, at temperature 1.
        truth: `(n,)` class indices.

    Raises:
        TrainingError: there is no item.
    """
    if len(truth) == 0:
        raise TrainingError(
            "Fitting a temperature needs held-out items, and there are none. Label some validation images."
        )
    # pages show calibrations too, and need no optimizer for that
    from scipy.optimize import minimize_scalar

    logits, bounds = _logits(probs), (np.log(_LOWEST), np.log(_HIGHEST))
    # The loss is convex in 1 / T and the prior in log T: one valley in practice.
    found = minimize_scalar(
        lambda at: _loss(logits, truth, at), bounds=bounds, method="bounded", options={"xatol": 1e-9}
    )
    return float(np.exp(found.x))


def cross_fitted(probs: FloatArray, truth: IntArray, *, seed: int, groups: IntArray | None = None) -> FloatArray:
    """Cross-fitted calibrated probabilities for judging a model: no item takes part in fitting its own temperature.

    A temperature fitted on the items that then judge makes every new model look better than it is; two models that are
    compared go through this alike, on the same folds.

    Args:
        probs: `(n, c)` rows sum to 1, at temperature 1.
        truth: `(n,)` class indices.
        seed: of the folds, which are the same for every model.
        groups: `(n,)` items of one group stay in one fold.

    Returns:
        `(n, c)` float32; as they came where fewer than 20 items, or one group alone, leave nothing to fit on.
    """
    names, member = np.unique(np.arange(len(truth)) if groups is None else groups, return_inverse=True)
    folds = min(FOLDS, len(names))
    if len(truth) < MIN_ITEMS or folds < 2:
        return probs.astype(np.float32)
    fold = np.random.default_rng(seed).permutation(len(names))[member] % folds
    # A class that the model does not know says nothing about how sure it is.
    known = probs[np.arange(len(truth)), truth] > 0
    answer = np.empty(probs.shape, dtype=np.float32)
    for number in range(folds):
        held, others = fold == number, (fold != number) & known
        temperature = fit_temperature(probs[others], truth[others]) if others.any() else 1.0
        answer[held] = apply_temperature(probs[held], temperature)
    return answer


def apply_temperature(probs: FloatArray, temperature: float) -> FloatArray:
    """Probabilities `(n, c)` float32 with their logits divided by `temperature`; impossible classes stay so."""
    if temperature == 1.0 or probs.size == 0:
        return probs.astype(np.float32)
    logits = _logits(probs) / temperature
    logits -= logits.max(axis=1, keepdims=True)
    warm = np.exp(logits) * (probs > 0)
    return np.asarray(warm / warm.sum(axis=1, keepdims=True), dtype=np.float32)


def expected_calibration_error(probs: FloatArray, truth: IntArray, bins: int = 10) -> float:
    """Mean gap between confidence and accuracy over equal-width confidence bins, weighted by items; 0 is perfect.

    Args:
        probs: `(n, c)` rows sum to 1.
        truth: `(n,)` class indices.
        bins: number of bins.

    Raises:
        TrainingError: there is no item.
    """
    if len(truth) == 0:
        raise TrainingError(
            "A calibration error needs held-out items, and there are none. Label some validation images."
        )
    confidence = probs.max(axis=1).astype(np.float64)
    correct = (probs.argmax(axis=1) == truth).astype(np.float64)
    which = np.clip((confidence * bins).astype(int), 0, bins - 1)
    gaps = np.bincount(which, weights=correct - confidence, minlength=bins)
    return float(np.abs(gaps).sum() / len(truth))


def _logits(probs: FloatArray) -> FloatArray:
    return np.asarray(np.log(np.maximum(probs.astype(np.float64), 1e-30)))


def _loss(logits: FloatArray, truth: IntArray, log_temperature: float) -> float:
    scaled = logits / np.exp(log_temperature)
    top = scaled.max(axis=1)
    normaliser = top + np.log(np.exp(scaled - top[:, None]).sum(axis=1))
    likelihood = scaled[np.arange(len(truth)), truth] - normaliser
    return float(-likelihood.sum() + 0.5 * _PRIOR_ITEMS * log_temperature**2)
