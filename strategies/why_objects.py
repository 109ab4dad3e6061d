"""Why an image stands where it stands, from what a detector found on it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from strategies._math.simplex import normalised_entropy
from strategies.base import Pool, Ranking

UNSURE = 0.35
"""Entropy of the mean distribution of an image or a region, as a share of the largest possible."""
FAINT = 0.1
"""Regions with a lower probability of being an object are not spoken of."""
MOVES = 0.3
"""1 - IoU with another view from which a box or an outline counts as unstable."""

DOUBTS = frozenset(
    {"entropy", "doubt", "margin", "closeness", "uncertainty", "gradient", "disagreement", "vote_entropy", "variation"}
)
"""Evidence of strategies that use what a model is unsure of."""
FOUND = DOUBTS | {"rarity", "expected_misses", "outlines_differ"}
"""Evidence of strategies that use what a detector found."""


def goes_by_doubts(ranking: Ranking) -> bool:
    """Whether the strategy went by what the model is uncertain about."""
    return not DOUBTS.isdisjoint(ranking.evidence)


def objects(ranking: Ranking, pool: Pool, classes: Sequence[str], position: int) -> str:
    """How many objects there are and, if that is a reason, which of them are uncertain, for example
    "7 objects, 3 uncertain between LSIL and HSIL, 1 that may be HSIL or nothing".

    Args:
        ranking: its evidence says what the strategy went by.
        pool: the last class of its probabilities is the background.
        classes: names of the others, in order.
        position: of the item in the pool.

    Returns:
        The words; empty for a pool of another kind, or a strategy that did not look at what was found.
    """
    start, stop = int(pool.offsets[position]), int(pool.offsets[position + 1])
    if not pool.background or FOUND.isdisjoint(ranking.evidence):
        return ""
    if start == stop:
        return "nothing found on it"
    mean = np.asarray(pool.probs[:, start:stop], dtype=np.float32).mean(axis=0)
    there = 1 - mean[:, -1]
    count = int((there >= 0.5).sum())
    said = [f"{count} object{'' if count == 1 else 's'}" if count else "no certain object"]
    if not goes_by_doubts(ranking):
        return said[0]
    doubtful = mean[(normalised_entropy(mean) >= UNSURE) & (there >= FAINT)]
    return ", ".join([*said, *_doubts(doubtful, classes)])


def _doubts(regions: NDArray[np.float32], classes: Sequence[str]) -> list[str]:
    """Regions `(r, classes + 1)` between two classes, then those between a class and nothing."""
    background = regions.shape[1] - 1
    between: Counter[tuple[int, int]] = Counter()
    perhaps: Counter[int] = Counter()
    for row in regions:
        first, second = sorted(int(index) for index in np.argsort(-row, kind="stable")[:2])
        if second == background:
            perhaps[first] += 1
        else:
            between[first, second] += 1
    said = []
    if between:
        (first, second), _ = between.most_common(1)[0]
        mostly = "mostly " if len(between) > 1 else ""
        said.append(
            f"{between.total()} uncertain {mostly}between {name_of(classes, first)} and {name_of(classes, second)}"
        )
    if perhaps:
        likely, _ = perhaps.most_common(1)[0]
        mostly = "mostly " if len(perhaps) > 1 else ""
        said.append(f"{perhaps.total()} that may be {mostly}{name_of(classes, likely)} or nothing")
    return said


def unstable(ranking: Ranking, _pool: Pool, _classes: Sequence[str], position: int) -> str:
    """What other views of the image say, where a strategy has compared them."""
    for column, what in (("moved", "boxes move"), ("outlines_differ", "outlines change")):
        if column in ranking.evidence and float(ranking.evidence[column][position]) >= MOVES:
            return f"{what} when the image is mirrored"
    return ""


def rare(ranking: Ranking, _pool: Pool, classes: Sequence[str], position: int) -> str:
    """The class that an image is worth most for, where a strategy has weighed classes by what is labeled of them."""
    if "rare_class" not in ranking.evidence or float(ranking.evidence["rare_count"][position]) < FAINT:
        return ""
    name = name_of(classes, int(ranking.evidence["rare_class"][position]))
    return f"about {float(ranking.evidence['rare_count'][position]):.1f} {name} expected, and rare classes count more"


def missed(ranking: Ranking, _pool: Pool, _classes: Sequence[str], position: int) -> str:
    """Objects that are too unsure to be shown, where a strategy has counted them."""
    if "expected_misses" not in ranking.evidence:
        return ""
    number = float(ranking.evidence["expected_misses"][position])
    return f"about {number:.0f} objects that would not be shown" if number >= 1.5 else ""


def name_of(classes: Sequence[str], index: int) -> str:
    """The class's name, or a number where none is known."""
    return classes[index] if index < len(classes) else f"class {index}"
