"""Why an image has its place in the order, in one short sentence from the evidence of its ranking."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from strategies._math.simplex import normalised_entropy
from strategies.base import FloatArray, Pool, Ranking
from strategies.why_objects import UNSURE, goes_by_doubts, missed, name_of, objects, rare, unstable

SPLIT = 0.15
"""Members disagree: share of their entropy that is disagreement, and of votes against the majority."""


def phrase(ranking: Ranking, pool: Pool, classes: Sequence[str], position: int) -> str:
    """One sentence on why an annotator should look at this item, for example
    "uncertain between LSIL and HSIL: 0.46 / 0.44; far from everything labeled".

    Args:
        ranking: what `strategies.rank` returned for this pool.
        pool: the pool it was asked for.
        classes: class names, in the order of the probabilities; missing names become "class 3".
        position: of the item in the pool.

    Returns:
        The sentence, without a full stop. It speaks of nothing but the evidence that the strategy went by: a doubt of
        the model is not a reason in an order that never looked at it.
    """
    parts = [part(ranking, pool, classes, position) for part in PARTS]
    said = [text for text in parts if text]
    return "; ".join(said[:3]) if said else _fallback(ranking)


def _fallback(ranking: Ranking) -> str:
    if not ranking.evidence and not len(ranking.facts):
        return "drawn at random"
    return "next in the order of the strategy"


def _goal(ranking: Ranking, pool: Pool, classes: Sequence[str], position: int) -> str:
    """What a lead asked for comes first."""
    if _has(ranking, "label_doubt", position):
        given = name_of(classes, int(pool.labels[position]))
        return f"labeled {given}, to which the model gives {1 - ranking.evidence['label_doubt'][position]:.2f}"
    if _has(ranking, "wanted_class", position):
        return f"probably {name_of(classes, int(ranking.evidence['wanted_class'][position]))}, which has few labels"
    if _has(ranking, "likeness", position):
        return f"similar to your examples: {ranking.evidence['likeness'][position]:.2f}"
    if _has(ranking, "excluded", position) and ranking.evidence["excluded"][position] > 0:
        return "similar to what you excluded, so it comes last"
    return ""


def _uncertain(ranking: Ranking, pool: Pool, classes: Sequence[str], position: int) -> str:
    """The two classes between which the most uncertain region stands."""
    start, stop = int(pool.offsets[position]), int(pool.offsets[position + 1])
    if pool.background or not goes_by_doubts(ranking) or pool.probs.shape[2] < 2 or start == stop:
        return ""
    regions = np.asarray(pool.probs[:, start:stop], dtype=np.float32).mean(axis=0)
    doubts = normalised_entropy(regions)
    row = regions[int(doubts.argmax())]
    first, second = (int(index) for index in np.argsort(-row, kind="stable")[:2])
    where = "" if stop - start == 1 else f"one of {stop - start} regions is "
    if doubts.max() >= UNSURE and row[second] > 0:
        pair = f"{name_of(classes, first)} and {name_of(classes, second)}"
        return f"{where}uncertain between {pair}: {row[first]:.2f} / {row[second]:.2f}"
    return f"{where}probably {name_of(classes, first)}: {row[first]:.2f}"


def _divided(ranking: Ranking, pool: Pool, _classes: Sequence[str], position: int) -> str:
    for column in () if pool.background else ("disagreement", "vote_entropy", "variation"):
        if _has(ranking, column, position) and ranking.evidence[column][position] >= SPLIT:
            return f"the {pool.probs.shape[0]} models disagree"
    return ""


def _place(ranking: Ranking, pool: Pool, _classes: Sequence[str], position: int) -> str:
    """Where the item lies among the labeled and the others."""
    if _has(ranking, "farthest", position):
        if position != ranking.order[0]:
            before = "everything labeled and " if pool.labelled.any() else ""
            return f"farthest from {before}the images before it"
        return "farthest from everything labeled" if pool.labelled.any() else "the most central image"
    if _has(ranking, "spread", position):
        known = "what is labeled or came before it" if pool.labelled.any() else "the images before it"
        return f"drawn at random, with a probability that grows with its distance from {known}"
    if _has(ranking, "covers", position):
        count = int(ranking.evidence["covers"][position])
        if count >= 2:
            return f"stands for {count} similar images that no labeled image covers"
        what = "what the model is uncertain about" if goes_by_doubts(ranking) else "the pool"
        return f"represents more of {what} than any remaining image"
    if _has(ranking, "typicality", position) and _share_below(ranking.evidence["typicality"], pool, position) >= 0.75:
        return "typical of many images"
    return ""


def _has(ranking: Ranking, column: str, position: int) -> bool:
    return column in ranking.evidence and bool(np.isfinite(ranking.evidence[column][position]))


def _share_below(column: FloatArray, pool: Pool, position: int) -> float:
    """Share of the unlabeled items whose value is below this one's."""
    others = column[~pool.labelled]
    return float(np.mean(others < column[position])) if len(others) else 0.0


PARTS: tuple[Callable[[Ranking, Pool, Sequence[str], int], str], ...] = (
    _goal,
    objects,
    rare,
    missed,
    unstable,
    _uncertain,
    _divided,
    _place,
)
