"""What fitting, evaluating and predicting on folders say, as it goes into JSON."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, NotRequired, TypedDict, final

from training.evaluation.classification import ClassScores
from training.evaluation.detection import ObjectScores


class Learned(TypedDict):
    """What a model was trained on: images, and by class the objects on them or the images themselves."""

    images: int
    objects: NotRequired[dict[str, int]]
    labels: NotRequired[dict[str, int]]


class Fitted(TypedDict):
    """What a training on a folder came to.

    Attributes:
        kind: of the model.
        classes: names.
        train: what it learned from; missing in processes beside the one that measures, as the next one.
        held_out: measurements on what it did not learn from; None where there was nothing to measure on.
        training: how it was trained.
        problems: one sentence each.
        left_out: objects and images that could not be read, by reason.
    """

    kind: Literal["classes", "objects"]
    classes: list[str]
    train: NotRequired[Learned]
    held_out: NotRequired[ClassScores | ObjectScores | None]
    training: Mapping[str, object]
    problems: list[str]
    left_out: NotRequired[dict[str, dict[str, int]]]


@final
class ClassEvaluation(ClassScores):
    """Measurements of a classifier on a folder; how many images it had learned from, and what else was left out."""

    left_out_as_trained_on: int
    problems: list[str]


@final
class ObjectEvaluation(ObjectScores):
    """Measurements of a detector on a folder; how many images it had learned from, and what else was left out."""

    left_out_as_trained_on: int
    problems: list[str]
    left_out: dict[str, dict[str, int]]


class Predicted(TypedDict):
    """What was written: the COCO file, images and regions in it, and problems, one sentence each."""

    file: str
    images: int
    regions: int
    problems: list[str]
