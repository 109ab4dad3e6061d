"""Do a detector's proposals save experts work, or would drawing from scratch cost less?

What would have to be corrected is counted on held-out images, each under thresholds that were chosen without the images
of its fold: thresholds chosen on the very images that judge them never do harm there. How sure the sum is comes from a
bootstrap (Efron (1979), Bootstrap Methods: Another Look at the Jackknife, doi:10.1214/aos/1176344552) over groups of
images.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from training.evaluation.correction_parts import Costs, Tally
from training.evaluation.corrections import DEFAULT, Evidence, choose, tally

FOLDS = 5
CONFIDENCE = 0.9
RESAMPLES = 1000


@dataclass(frozen=True)
class Rule:
    """How a project decides what is shown.

    Attributes:
        costs: of the corrections.
        default: threshold where none is chosen.
        choosing: whether thresholds are chosen at all.
        fixed: thresholds by class name that hold whatever is chosen.
    """

    costs: Costs = field(default_factory=Costs)
    default: float = DEFAULT
    choosing: bool = True
    fixed: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Worth:
    """The work that proposals save on all held-out images together.

    Attributes:
        images: how many there are.
        groups: slides or patients that they come from; where all are of one, the images count by themselves.
        corrections: what there would be to do with the proposals.
        by_hand: objects to draw without them.
        spared: cost without proposals less the cost with them, in the unit of the costs; below 0 they do harm.
        interval: of `spared`, 90 %.
    """

    images: int
    groups: int
    corrections: int
    by_hand: int
    spared: float
    interval: tuple[float, float]

    @property
    def harms(self) -> bool:
        """Whether, in expectation, experts have more to do with the proposals than without."""
        return self.spared < 0


def worth_of(evidence: Evidence, classes: Sequence[str], rule: Rule, *, seed: int = 0) -> Worth | None:
    """What showing a detector's proposals would have saved on the images of some evidence.

    Args:
        evidence: regions and objects of held-out images.
        classes: names of the class numbers.
        rule: what is shown and what corrections cost.
        seed: of the bootstrap.

    Returns:
        None where there is no image to tell by, or the evidence does not say which image is which.
    """
    if not evidence.images or len(evidence.groups) != evidence.images or len(evidence.places) != len(evidence.parts):
        return None
    apart = evidence.groups if len(set(evidence.groups)) > 1 else [str(place) for place in range(evidence.images)]
    names, member = np.unique(apart, return_inverse=True)
    fold = (member % FOLDS).tolist()
    done = [Tally() for _ in evidence.groups]
    drawn = [0] * evidence.images
    for number in sorted(set(fold)):
        limits = _limits(_only(evidence, [fold[place] != number for place in range(evidence.images)]), classes, rule)
        for part, place in zip(evidence.parts, evidence.places, strict=True):
            if fold[place] == number:
                done[place] += tally([part], limits, rule.costs)
                drawn[place] += len(part.objects)
    spared = np.array([rule.costs.add * count for count in drawn]) - [each.cost(rule.costs) for each in done]
    by_group = np.bincount(member, weights=spared, minlength=len(names))
    again = np.random.default_rng(seed).multinomial(len(names), np.full(len(names), 1 / len(names)), size=RESAMPLES)
    tail = 100 * (1 - CONFIDENCE) / 2
    low, high = np.percentile(again @ by_group, [tail, 100 - tail])
    return Worth(
        images=evidence.images,
        groups=len(names),
        corrections=sum(each.corrections for each in done),
        by_hand=sum(drawn),
        spared=float(by_group.sum()),
        interval=(float(low), float(high)),
    )


def _only(evidence: Evidence, wanted: Sequence[bool]) -> Evidence:
    """The evidence of some images."""
    parts = tuple(part for part, place in zip(evidence.parts, evidence.places, strict=True) if wanted[place])
    return Evidence(parts, sum(wanted))


def _limits(evidence: Evidence, classes: Sequence[str], rule: Rule) -> NDArray[np.float64]:
    limits: NDArray[np.float64] = np.full(len(classes), rule.default)
    if rule.choosing:
        chosen = choose(evidence, classes, rule.costs, default=rule.default)
        limits = np.array([each.threshold for each in chosen.classes], dtype=np.float64)
    return np.array([rule.fixed.get(name, limit) for name, limit in zip(classes, limits, strict=True)])
