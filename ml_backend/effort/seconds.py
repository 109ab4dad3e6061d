"""How many seconds proposals saved: a model of the time an image takes, fitted to the times that were measured.

    seconds = look + draw * added + accept * accepted + correct * (moved + relabeled) + remove * deleted

with no term below zero (Lawson, Hanson (1974), Solving Least Squares Problems, doi:10.1137/1.9781611971217). By hand
every region that stayed would have had to be drawn, so an image with proposals saved

    draw * (accepted + moved + relabeled) - accept * accepted - correct * (moved + relabeled) - remove * deleted.

Where a class is given to the whole image there is exactly one region per image and no separate time to look. Times far
above those of like images are cut off, since pages are left open. The interval is a bootstrap over images (Efron
(1979), Bootstrap Methods: Another Look at the Jackknife, doi:10.1214/aos/1176344552). What the model cannot know:
experts also become faster with practice, and the images without proposals mostly came first.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

RESAMPLES = 300
CONFIDENCE = 0.9
ROUNDS = 8
"""Fits until the bounds on times settle."""
LEAST = 8
"""Images with a time that are needed on either side before anything is said."""
LONGEST = 1800.0
"""Seconds after which nobody is taken to be still at work on one image."""
COLUMNS = ("look", "draw", "accept", "correct", "remove")

Matrix = NDArray[np.float64]


@dataclass(frozen=True)
class Work:
    """What was done to one image, and how long that took.

    Attributes:
        proposed: whether regions were shown.
        kept: regions left as they were shown.
        corrected: regions moved or relabeled.
        added: regions drawn by hand.
        deleted: regions removed; 0 when it is not known.
        seconds: time in the editor, None when it was not measured.
        run: whose proposals they were, None where there were none or nobody knows.
    """

    proposed: bool
    kept: int
    corrected: int
    added: int
    deleted: int
    seconds: float | None
    run: int | None = None


@dataclass(frozen=True)
class Saved:
    """Seconds saved in all, with the ends of the 90 % interval."""

    seconds: float
    low: float
    high: float


def typical(seconds: Sequence[float]) -> float | None:
    """Median, s; None without any."""
    return float(np.median(seconds)) if len(seconds) else None


def cap(seconds: Sequence[float]) -> float:
    """Longest plausible time, s: three interquartile ranges above the upper quartile; longer means a page left open."""
    if not len(seconds):
        return LONGEST
    low, high = np.percentile(seconds, [25, 75])
    return min(LONGEST, max(float(high + 3 * (high - low)), 2 * float(np.median(seconds))))


class Costs:
    """The fitted times of an expert's actions.

    Args:
        work: images of a project; those without a time are left out.
        whole: whether each image has exactly one region, a class of the whole image.
        seed: of the bootstrap.
    """

    def __init__(self, work: Sequence[Work], *, whole: bool, seed: int = 0) -> None:
        timed = [each for each in work if each.seconds is not None and each.seconds > 0]
        self.whole = whole
        self.lacks = _lacks(timed, whole)
        self.cut_off = 0
        self._draws: Matrix = np.zeros((0, len(COLUMNS)))
        self._fit: Matrix = np.zeros(len(COLUMNS))
        if not self.lacks:
            rows = np.array([_row(each, whole) for each in timed])
            measured = np.array([each.seconds or 0.0 for each in timed])
            seconds = _believable(rows, measured)
            self.cut_off = int((seconds < measured).sum())
            self._fit = _fitted(rows, seconds, np.ones((1, len(rows))))[0]
            kinds = np.array([each.proposed for each in timed])
            self._draws = _fitted(rows, seconds, _resampled(kinds, np.random.default_rng(seed)))

    @property
    def seconds(self) -> dict[str, float]:
        """Seconds of each action, by the names of `COLUMNS`; empty without enough evidence."""
        shown = {name: float(value) for name, value in zip(COLUMNS, self._fit, strict=True)}
        return {} if self.lacks else {name: value for name, value in shown.items() if name != "look" or not self.whole}

    def saved(self, work: Sequence[Work]) -> Saved | None:
        """Seconds that proposals saved on some images; None without enough evidence."""
        if self.lacks:
            return None
        proposed = [each for each in work if each.proposed]
        kept = sum(each.kept for each in proposed)
        corrected = sum(each.corrected for each in proposed)
        deleted = sum(each.deleted for each in proposed)
        gain = np.array([0.0, kept + corrected, -kept, -corrected, -deleted])
        tail = 50 * (1 - CONFIDENCE)
        low, high = np.percentile(self._draws @ gain, [tail, 100 - tail])
        return Saved(float(self._fit @ gain), float(low), float(high))


def _believable(rows: Matrix, measured: Matrix) -> Matrix:
    """Times cut off where they say that a page was left open: far above what the same actions took elsewhere.

    The first bound looks at the times alone; with a first fit the bound follows what was done on each image.
    """
    seconds = np.minimum(measured, cap(measured.tolist()))
    for _ in range(ROUNDS):
        expected = rows @ _fitted(rows, seconds, np.ones((1, len(rows))))[0]
        spread = 1.4826 * float(np.median(np.abs(measured - expected)))
        seconds = np.minimum(measured, np.minimum(LONGEST, expected + np.maximum(4 * spread, expected)))
    return seconds


def _row(work: Work, whole: bool) -> list[float]:
    return [0.0 if whole else 1.0, work.added, work.kept, work.corrected, work.deleted]


def _resampled(kinds: NDArray[np.bool_], rng: np.random.Generator) -> Matrix:
    """How often each image counts, `(RESAMPLES, n)`; either kind keeps its number, or small samples would lose one."""
    weights = np.zeros((RESAMPLES, len(kinds)))
    for kind in (True, False):
        places = np.flatnonzero(kinds == kind)
        if len(places):
            even = np.full(len(places), 1 / len(places))
            weights[:, places] = rng.multinomial(len(places), even, size=RESAMPLES)
    return weights


def _fitted(rows: Matrix, seconds: Matrix, weights: Matrix) -> Matrix:
    """Least squares without negative terms for each row of `weights` `(m, n)` -> `(m, columns)`."""
    # Imported late: scipy takes a while, and most readers of this module only count.
    from scipy.optimize import nnls

    width = rows.shape[1]
    squares = (weights @ (rows[:, :, None] * rows[:, None, :]).reshape(len(rows), -1)).reshape(-1, width, width)
    targets = weights @ (rows * seconds[:, None])
    fits = []
    for square, target in zip(squares, targets, strict=True):
        # The same problem with as many rows as columns, so that a fit costs the same for any number of images.
        values, vectors = np.linalg.eigh(square)
        roots = np.sqrt(np.maximum(values, 0))
        used = roots > 1e-9 * max(float(roots.max()), 1e-12)
        fits.append(nnls((vectors[:, used] * roots[used]).T, vectors[:, used].T @ target / roots[used])[0])
    return np.array(fits, dtype=np.float64)


def _lacks(timed: Sequence[Work], whole: bool) -> str:
    """What is missing before anything can be said about seconds; empty when nothing is."""
    proposed = sum(each.proposed for each in timed)
    drawn = sum(each.added > 0 for each in timed)
    if proposed < LEAST:
        return f"The estimate needs {LEAST} timed images with a pre-annotation; there are {proposed}."
    if drawn < LEAST:
        what = "labeled without a pre-annotation" if whole else "with regions drawn by hand"
        return f"The estimate needs {LEAST} timed images {what}; there are {drawn}."
    return ""
