"""Compares the regions shown with those submitted: what did the expert do?

Seen on Label Studio 1.23.2 with the editor in a browser (tests/fixtures/label_studio): a region that an annotator takes
over keeps the id and score of the prediction, carries `origin` "prediction" until it is touched and
"prediction-changed" afterwards (also when it was changed back); a drawn region gets a new id and "manual"; a deleted
one is simply missing. Scripts may keep none of this, so what has no origin is paired by place.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from training.geometry.boxes import iou

UNTOUCHED, TOUCHED, DRAWN = "prediction", "prediction-changed", "manual"
PAIRED = 0.5
"""IoU from which a region without origin may be a shown one."""
UNMOVED = 0.95
"""IoU from which a region without origin counts as left in its place."""

Box = tuple[float, float, float, float]


@dataclass(frozen=True)
class Mark:
    """The parts of a region that effort depends on.

    Attributes:
        id: its id in Label Studio.
        label: class name.
        box: x1 y1 x2 y2 px; None for a class of the whole image, and where nobody needs to know.
        origin: Label Studio's `origin`, empty where there is none.
        whole: whether it is a class of the whole image.
    """

    id: str
    label: str
    box: Box | None = None
    origin: str = ""
    whole: bool = False


@dataclass(frozen=True)
class Changes:
    """What an expert did to one image.

    Attributes:
        accepted: shown and left as they were.
        moved: shown, now elsewhere or of another shape, label as it was.
        relabeled: shown, now with another label, moved or not.
        added: drawn by hand.
        deleted: shown and gone; None when it is not known what was shown.
    """

    accepted: int = 0
    moved: int = 0
    relabeled: int = 0
    added: int = 0
    deleted: int | None = 0


def compare(shown: Sequence[Mark] | None, final: Sequence[Mark]) -> Changes:
    """What an expert did, from the regions shown and those submitted.

    Args:
        shown: None when it is not known any more; then the origins of the final regions speak alone.
        final: of the annotation.

    Example:
        >>> compare([Mark("a", "Cell")], [Mark("a", "Debris", origin="prediction-changed")])
        Changes(accepted=0, moved=0, relabeled=1, added=0, deleted=0)
    """
    left = {mark.id: mark for mark in shown or ()}
    counts = {"accepted": 0, "moved": 0, "relabeled": 0, "added": 0}
    unknown: list[Mark] = []
    for mark in final:
        before = left.pop(mark.id, None) if mark.origin != DRAWN else None
        if before is not None:
            counts[_outcome(before, mark)] += 1
        elif mark.origin:
            counts[_by_origin(mark)] += 1
        else:
            unknown.append(mark)
    pairs = _pairs(list(left.values()), unknown)
    for before, mark in pairs:
        counts[_outcome(before, mark)] += 1
    counts["added"] += len(unknown) - len(pairs)
    return Changes(**counts, deleted=None if shown is None else len(left) - len(pairs))


def _by_origin(mark: Mark) -> str:
    if mark.origin == UNTOUCHED:
        return "accepted"
    if mark.origin == TOUCHED:
        # The likelier change of the two: a class of an image has no place, and most objects keep their class.
        return "relabeled" if mark.whole else "moved"
    return "added"


def _outcome(before: Mark, after: Mark) -> str:
    if before.label != after.label:
        return "relabeled"
    if before.whole or after.origin == UNTOUCHED:
        return "accepted"
    if after.origin == TOUCHED:
        return "moved"
    overlap = _overlaps([before], [after])[0, 0]
    return "accepted" if overlap >= UNMOVED else "moved"


def _pairs(shown: Sequence[Mark], final: Sequence[Mark]) -> list[tuple[Mark, Mark]]:
    """Pairs of regions in the same place, the best first; a class of the whole image is in the place of any other."""
    if not shown or not final:
        return []
    overlaps = _overlaps(shown, final)
    near = [(overlaps[i, j], shown[i].label == final[j].label, -i, -j) for i, j in np.argwhere(overlaps >= PAIRED)]
    pairs: list[tuple[Mark, Mark]] = []
    taken: tuple[set[int], set[int]] = set(), set()
    for _, _, i, j in sorted(near, reverse=True):
        if i not in taken[0] and j not in taken[1]:
            taken[0].add(i)
            taken[1].add(j)
            pairs.append((shown[-i], final[-j]))
    return pairs


def _overlaps(first: Sequence[Mark], second: Sequence[Mark]) -> NDArray[np.float32]:
    """IoU `(r, s)`: 1 between classes of the whole image, 0 between one and an object or where a place is unknown."""
    nowhere = (0.0, 0.0, 0.0, 0.0)
    a, b = (np.array([mark.box or nowhere for mark in marks], dtype=np.float32) for marks in (first, second))
    whole = np.array([[one.whole and other.whole for other in second] for one in first])
    return np.where(whole, np.float32(1), iou(a, b))
