"""The results of a detection replay for its strategies: numbers, intervals and words."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass


@dataclass(frozen=True)
class Interval:
    """A percentage with its 95 percent interval over seeds and test images; None where it is undefined."""

    percent: float | None
    low: float | None
    high: float | None


@dataclass(frozen=True)
class Efforts:
    """Labeled images and objects needed to reach a goal; None where it was never reached."""

    images: float | None
    objects: float | None


@dataclass(frozen=True)
class Saved:
    """Effort saved against random on the way to a share of the full AP50.

    Attributes:
        at: that share.
        percent: of the images.
        low: lower end of its interval.
        high: upper end.
        objects: the same of the objects.
    """

    at: float
    percent: float | None
    low: float | None
    high: float | None
    objects: Interval


@dataclass(frozen=True)
class Gains:
    """Mean AP50 above random, points, over the images and over the objects that both curves cover."""

    images: Interval
    objects: Interval


@dataclass(frozen=True)
class Answer:
    """The result of one strategy.

    Attributes:
        labels: labeled images of each round.
        objects: labeled objects, mean over the seeds.
        ap50: mean over the seeds.
        sd: standard deviation over the seeds.
        area: mean AP50 over the rounds.
        needed: share of the full AP50 -> what it took.
        per_class: AP50 of each class in each round; None where the test images have no object of it.
        saved_vs_uniform: against random.
        gain_vs_uniform: against random.
    """

    labels: list[int]
    objects: list[float]
    ap50: list[float]
    sd: list[float]
    area: float
    needed: Mapping[str, Efforts]
    per_class: list[Mapping[str, float | None]]
    saved_vs_uniform: Saved
    gain_vs_uniform: Gains


@dataclass(frozen=True)
class Full:
    """The result with all labels: images, objects on them, AP50 overall and per class."""

    labels: int
    objects: int
    ap50: float
    per_class: Mapping[str, float | None]


@dataclass(frozen=True)
class ObjectReport:
    """The result of `paploop replay` for objects.

    Attributes:
        full: what all labels give.
        strategies: by name.
        verdict: in words.
    """

    full: Full
    strategies: Mapping[str, Answer]
    verdict: str

    def as_dict(self) -> dict[str, object]:
        """JSON form."""
        return {"kind": "objects", **asdict(self)}
