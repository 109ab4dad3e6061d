"""The score from which a proposed object saves an annotator more work than it causes.

A wrong proposal costs a deletion, an object that is not proposed has to be drawn, one with the wrong class relabeled.
For each class the threshold is taken under which the sum of these costs is lowest on images with known objects that
the model did not learn from. Classes influence each other, since a region of one class may stand for an object of
another: the classes are gone through in turn until nothing changes (coordinate descent), from several starts.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from training.data.detection_set import LabelledImage
from training.evaluation.correction_parts import Costs, Part, Tally, parts_of
from training.types import Detections, TrainingError

DEFAULT = 0.5
LEAST = 20
"""Objects of a class below which its threshold is the one that fits all classes together."""
LOWEST = 0.05
ROUNDS = 10


@dataclass(frozen=True)
class ClassThreshold:
    """The threshold of one class and its basis.

    Attributes:
        name: the class.
        threshold: least score shown, in (0, 1].
        objects: objects of the class in the images it was chosen on.
        basis: "own": chosen for this class; "all": too few objects of it, so the one that fits all classes together;
            "default": too few objects of any class, and the default does no harm.
    """

    name: str
    threshold: float
    objects: int
    basis: str


@dataclass(frozen=True)
class Chosen:
    """Thresholds of all classes.

    Attributes:
        classes: in the order of the class names.
        images: how many images they were chosen on.
        expected: what annotators would have to do to all these images under the chosen thresholds.
        before: the same with every class at `DEFAULT` (or the one given).
        default: that threshold.
        costs: of the corrections.
    """

    classes: tuple[ClassThreshold, ...]
    images: int
    expected: Tally
    before: Tally
    default: float
    costs: Costs

    @property
    def thresholds(self) -> dict[str, float]:
        """By class name."""
        return {each.name: each.threshold for each in self.classes}


@dataclass(frozen=True)
class Evidence:
    """The evidence from which thresholds are chosen, small enough to store.

    Attributes:
        parts: regions and objects that touch each other.
        images: how many images they come from.
        places: number of the image that each part lies in; empty where that is not known.
        groups: slide or patient of each image; empty where that is not known.
    """

    parts: tuple[Part, ...]
    images: int
    places: tuple[int, ...] = ()
    groups: tuple[str, ...] = ()

    def objects(self, classes: int) -> list[int]:
        """Known objects of each class."""
        counts = [0] * classes
        for part in self.parts:
            for number in part.objects:
                counts[number] += 1
        return counts


def seen_on(found: Sequence[Detections], truth: Sequence[LabelledImage], classes: int) -> Evidence:
    """The part of a detector's predictions that thresholds are chosen by, on images whose objects are known.

    Args:
        found: one per image; their distributions end with the background.
        truth: the images in the same order, class numbers from 0.
        classes: how many there are.

    Raises:
        TrainingError: the numbers of images differ.
    """
    if len(found) != len(truth):
        raise TrainingError(f"There are {len(truth)} images but {len(found)} predictions. Predict every image once.")
    apart = [parts_of([answer], [image], classes) for answer, image in zip(found, truth, strict=True)]
    return Evidence(
        parts=tuple(part for parts in apart for part in parts),
        images=len(truth),
        places=tuple(place for place, parts in enumerate(apart) for _ in parts),
        groups=tuple(image.group or image.name for image in truth),
    )


def choose(
    evidence: Evidence,
    classes: Sequence[str],
    costs: Costs | None = None,
    *,
    default: float = DEFAULT,
    least: int = LEAST,
) -> Chosen:
    """The thresholds with the lowest cost of corrections on images whose objects are known.

    Args:
        evidence: see `seen_on`.
        classes: names, in the order of the class numbers.
        costs: of the corrections; None: `Costs()`.
        default: threshold where there are too few objects, and what the choice is compared with.
        least: objects that a class needs for a threshold of its own, and all together for any choice.
    """
    costs = costs or Costs()
    parts = evidence.parts
    objects = evidence.objects(len(classes))
    limits: NDArray[np.float64] = np.full(len(classes), default)
    bases = ["default"] * len(classes)
    # A few objects are enough to see that the usual threshold makes more work than showing nothing.
    does_harm = tally(parts, limits, costs).cost(costs) > costs.add * sum(objects)
    if (sum(objects) >= least or does_harm) and len(classes):
        together = _sweep(parts, costs, limits, range(len(classes)))
        own = [number for number in range(len(classes)) if objects[number] >= least]
        limits = _descend(parts, costs, np.full(len(classes), together), own, default)
        bases = ["own" if number in own else "all" for number in range(len(classes))]
    return Chosen(
        classes=tuple(
            ClassThreshold(name, float(limits[number]), objects[number], bases[number])
            for number, name in enumerate(classes)
        ),
        images=evidence.images,
        expected=tally(parts, limits, costs),
        before=tally(parts, np.full(len(classes), default), costs),
        default=default,
        costs=costs,
    )


def tally(parts: Sequence[Part], limits: NDArray[np.float64], costs: Costs) -> Tally:
    """Corrections that annotators have to make if every class is shown from its threshold."""
    return sum((part.tally(limits, costs) for part in parts), Tally())


def _descend(
    parts: Sequence[Part], costs: Costs, start: NDArray[np.float64], own: Sequence[int], default: float
) -> NDArray[np.float64]:
    """The best of several descents; classes that are not in `own` keep their limit."""
    other = start.copy()
    other[list(own)] = default
    tries: list[tuple[float, int, NDArray[np.float64]]] = []
    for begin in (start, other):
        for order in (own, own[::-1]):
            limits = begin.copy()
            for _ in range(ROUNDS):
                before = limits.copy()
                for number in order:
                    limits[number] = _sweep(parts, costs, limits, (number,))
                if np.array_equal(before, limits):
                    break
            tries.append((tally(parts, limits, costs).cost(costs), len(tries), limits))
    return min(tries, key=lambda entry: entry[:2])[2]


def _sweep(parts: Sequence[Part], costs: Costs, limits: NDArray[np.float64], varied: Sequence[int]) -> float:
    """The one limit for the classes `varied` that costs least while the others keep theirs."""
    steps: list[tuple[float, float]] = []
    numbers = frozenset(varied)
    for part in parts:
        steps += part.steps(limits, numbers, costs)
    if not steps:
        return float(limits[varied[0]])
    scores, changes = (np.array(column) for column in zip(*sorted(steps, reverse=True), strict=True))
    # Equal scores are shown together or not at all.
    last = np.append(scores[1:] < scores[:-1], True)
    sums = np.concatenate([[0.0], np.cumsum(changes)[last]])
    edges = scores[last]
    upper = np.concatenate([[1.0], edges])
    lower = np.concatenate([edges, [min(LOWEST, float(edges[-1]) / 2)]])
    best = np.flatnonzero(sums <= sums.min() + 1e-9)
    # Where several cuts cost the same, the one nearest to the usual threshold changes least.
    cuts = [_between(float(lower[place]), float(upper[place])) for place in best]
    return min(cuts, key=lambda cut: (abs(cut - DEFAULT), cut))


def _between(hidden: float, shown: float) -> float:
    """A limit above the score `hidden` and not above `shown`: the default, else the middle in few digits."""
    if hidden < DEFAULT <= shown:
        return DEFAULT
    middle = (hidden + shown) / 2
    for digits in (2, 3, 4, 6):
        short = round(middle, digits)
        if hidden < short <= shown:
            return short
    return shown


def in_words(chosen: Chosen) -> str:
    """Why these thresholds, in one or two sentences."""
    images = f"{chosen.images} held-out image{'' if chosen.images == 1 else 's'}"
    if all(each.basis == "default" for each in chosen.classes):
        total = sum(each.objects for each in chosen.classes)
        return (
            f"Objects are shown from a score of {chosen.default:g}: {total} known objects on {images} are too "
            f"few to choose a better threshold ({LEAST} are needed)."
        )
    after, before, costs = chosen.expected, chosen.before, chosen.costs
    weighed = ""
    if (costs.delete, costs.add, costs.relabel) != (1, 1, 1):
        weighed = f", {after.cost(costs):g} instead of {before.cost(costs):g} when weighted by their costs"
    return (
        f"On {images}, these thresholds leave {after.corrections} corrections ({after.deleted} to delete, "
        f"{after.added} to draw, {after.relabeled} to relabel); with {chosen.default:g} for every class there "
        f"would be {before.corrections} ({before.deleted}, {before.added}, {before.relabeled}){weighed}."
    )
