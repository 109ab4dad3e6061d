"""Decide one pair: the same specimen or not, and under which map."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from strategies.near_duplicates.verification.agreement import Agreement, agreement, evidence
from strategies.near_duplicates.verification.evidence import log_chance
from strategies.near_duplicates.verification.fit import Fit, fit_guided, fit_pictures, plausible
from strategies.near_duplicates.verification.picture import Matrix, Picture, one_core
from strategies.near_duplicates.verification.turns import best_turn

FEWEST_INLIERS = 6
"""Below this a map is not looked at; what decides is whether the pixels agree."""

SHARE = 0.7
"""Fraction of the shared textured pixels that must agree. Copies reach 0.99, other takes of one field 0.85, other
pairs stay below 0.5."""

CORRELATION = 0.55

CLOSE_SHARE, CLOSE_CORRELATION = 0.97, 0.93
"""Cut-out objects without texture have their outline only, and many cells are round: it must fit closely."""

FOUND_BY_CHANCE = 0.25
"""Part of the windows that unlike images find in their place; 0.15 was measured on 900 pairs of single cells."""

LARGEST_CHANCE = 1e-6
LARGEST_CHANCE_CLOSE = 1e-2
"""Chance a pair at which it is believed; less proof is asked for where all of both agrees closely, as unlike images
never did: of a small or smooth image a copy has only a few windows that tell."""

HINT = 0.3
LEAST_OVERLAP = 0.5
REFINEMENTS = 3


@dataclass(frozen=True)
class Rules:
    """What counts as a duplicate.

    Attributes:
        share: part in (0, 1] of the textured pixels in common that must agree.
        overlap: part in (0, 1] of the smaller view that both must show.
    """

    share: float = SHARE
    overlap: float = LEAST_OVERLAP


@dataclass(frozen=True)
class Match:
    """Two pictures that show the same specimen.

    Attributes:
        matrix: maps working px of the first to working px of the second.
        inliers: local features that agree with it.
        agreement: how well the pixels agree under it.
    """

    matrix: Matrix
    inliers: int
    agreement: Agreement

    @property
    def similarity(self) -> float:
        """In [0, 1]: the mean local correlation of what both show."""
        return max(0.0, min(1.0, self.agreement.correlation))


def compare(first: Picture, second: Picture, rules: Rules | None = None) -> Match | None:
    """Verify a pair on its pixels.

    Args:
        first: one picture.
        second: the other.
        rules: what counts as a duplicate.

    Returns:
        The match, or None when the pixels do not show the same.
    """
    one_core()
    rules = rules or Rules()
    turned = best_turn(first, second)
    if turned is not None:
        match = Match(turned, 0, agreement(first, second, turned))
        same = accepted(match, rules)
        if not same:
            match = Match(turned, 0, agreement(first, second, turned, outlines=True))
            same = _close(match)
        if same and proven(first, second, match):
            return match
    fit = fit_pictures(first, second)
    return _settle(first, second, fit, rules) if fit is not None else None


def compare_near(first: Picture, second: Picture, guess: Matrix, rules: Rules | None = None) -> Match | None:
    """Verify a pair of which a map is already suspected, for example through a third picture."""
    one_core()
    rules = rules or Rules()
    if not plausible(guess):
        return None
    fit = fit_guided(first, second, guess)
    return _settle(first, second, fit or Fit(guess, FEWEST_INLIERS), rules)


def accepted(match: Match, rules: Rules) -> bool:
    """Whether the pixels agree well enough, on enough of the pictures, with enough texture to say so."""
    seen = match.agreement
    return bool(
        seen.share >= rules.share
        # the mean falls with the share: who asks for less of the one means less of the other
        and seen.correlation >= CORRELATION * min(1.0, rules.share / SHARE)
        and max(seen.cover_first, seen.cover_second) >= rules.overlap
    )


def proven(first: Picture, second: Picture, match: Match) -> bool:
    """Whether so many windows fit in one place only that no other specimen would reach it."""
    chance = log_chance(evidence(first, second, match.matrix), FOUND_BY_CHANCE)
    return chance <= math.log10(LARGEST_CHANCE_CLOSE if _close(match) else LARGEST_CHANCE)


def _close(match: Match) -> bool:
    seen = match.agreement
    return seen.share >= CLOSE_SHARE and seen.correlation >= CLOSE_CORRELATION


def measure(first: Picture, second: Picture) -> Match | None:
    """The best map between two pictures that is proven, accepted or not; None when there is none."""
    one_core()
    found = []
    turned = best_turn(first, second)
    if turned is not None:
        found.append(Match(turned, 0, agreement(first, second, turned)))
    fit = fit_pictures(first, second)
    if fit is not None and fit.inliers >= FEWEST_INLIERS:
        found.append(_refined(first, second, fit, Rules()))
    proved = [match for match in found if proven(first, second, match)]
    return max(proved, key=lambda match: match.agreement.share, default=None)


def _settle(first: Picture, second: Picture, fit: Fit, rules: Rules) -> Match | None:
    if fit.inliers < FEWEST_INLIERS:
        return None
    best = _refined(first, second, fit, rules)
    return best if accepted(best, rules) and proven(first, second, best) else None


def _refined(first: Picture, second: Picture, fit: Fit, rules: Rules) -> Match:
    """Refine a fit while the pixels agree more and more with it."""
    best = Match(fit.matrix, fit.inliers, agreement(first, second, fit.matrix))
    for _ in range(REFINEMENTS):
        if accepted(best, rules) or best.agreement.share < HINT:
            break
        again = fit_guided(first, second, best.matrix)
        if again is None or np.allclose(again.matrix, best.matrix):
            break
        refined = Match(again.matrix, again.inliers, agreement(first, second, again.matrix))
        if refined.agreement.share <= best.agreement.share:
            break
        best = refined
    return best
