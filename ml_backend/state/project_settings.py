"""What a lead sets per project: strategy, window, retraining policy, splits."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Annotated, Final, Literal, Self

import regex
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from ml_backend.errors import BadRequest

PATTERN_SECONDS: Final = 0.5
"""Longest time that a group pattern may take for one file name; a sound one takes microseconds."""


class ProjectSettings(BaseModel):
    """Settings of one project; changed by CLI and API at any time, used from the next ranking or run on."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    strategy: str = Field("auto", min_length=1, max_length=60, description="Acquisition strategy.")
    strategy_params: dict[str, object] = Field(default_factory=dict, description="Parameters of the strategy.")
    window: int = Field(
        1000, ge=1, le=1_000_000, description="Number of items that the strategy ranks; the rest follow."
    )
    auto_train: bool = Field(True, description="Retrain automatically when due.")
    retrain_labels: int = Field(20, ge=1, le=1_000_000, description="New or changed labels that make a run due.")
    retrain_minutes: float = Field(
        30.0, gt=0, le=525_600, description="Minutes after which a single new label makes a run due."
    )
    method: Literal["auto", "head", "finetune"] = Field("auto", description="Training method; auto chooses by policy.")
    train_minutes: float = Field(
        8.0, gt=0, le=10_080, description="Time limit for training a detector, minutes, including evaluation."
    )
    train_steps: int = Field(
        0, ge=0, le=1_000_000, description="Training steps of a detector; 0 = as many as fit into train_minutes."
    )
    backbone: Literal["lite0", "r18", "r50", "r50-zoo"] = Field("lite0", description="Backbone of a detector.")
    backbone_weights: str = Field("", max_length=500, description="Initial weights for r50-zoo: an address or a file.")
    backbone_sha256: str = Field("", pattern="^([0-9a-f]{64})?$", description="Required SHA-256 of these weights.")
    stages: Literal[1, 2] = Field(
        2, description="Detector stages: 2 = Faster or Mask R-CNN, 1 = RetinaNet (boxes only)."
    )
    shown_from: float = Field(
        0.5, gt=0, le=1, description="Lowest score of objects to show, unless a better threshold is known."
    )
    choose_shown_from: bool = Field(
        True, description="Choose each class's score threshold to minimize the expected corrections."
    )
    shown_from_class: dict[str, Annotated[float, Field(gt=0, le=1)]] = Field(
        default_factory=dict, description="Score threshold by class; overrides the chosen one."
    )
    hold_back: bool = Field(
        True, description="Show no objects while correcting them costs more than drawing from scratch."
    )
    cost_delete: float = Field(1.0, gt=0, le=1000, description="Cost of deleting a pre-annotated object.")
    cost_add: float = Field(1.0, gt=0, le=1000, description="Cost of drawing an object that was not pre-annotated.")
    cost_relabel: float = Field(1.0, gt=0, le=1000, description="Cost of changing the class of an object.")
    outline_tolerance: float = Field(
        0.01,
        ge=0,
        le=0.2,
        description="IoU that a pre-annotated polygon may lose to have fewer corners, as a fraction.",
    )
    shown_as: Literal["auto", "boxes", "polygons", "ellipses", "brush"] = Field(
        "auto", description="How pre-annotated objects are drawn; auto chooses for each image."
    )
    encoder: str = Field("lite0", min_length=1, max_length=150, description="Image encoder.")
    validation_fraction: float = Field(0.2, ge=0, lt=1, description="Fraction of groups held out for validation.")
    validation_cap: int = Field(200, ge=0, le=1_000_000, description="Most labeled validation items to use.")
    group_pattern: str = Field(
        "", max_length=500, description="Regular expression that finds the patient or slide in a file name."
    )
    duplicate_radius: float = Field(
        0.08, ge=0, le=2, description="Cosine distance under which the pixels of two images are compared."
    )
    duplicate_share: float = Field(
        0.7, ge=0.3, le=1, description="Fraction of the shared textured pixels that must agree in duplicates."
    )
    seed: int = Field(0, ge=0, lt=2**31, description="Seed of all random choices.")

    @field_validator("group_pattern")
    @classmethod
    def _compiles(cls, value: str) -> str:
        if fault := _fault_of_pattern(value):
            raise ValueError(fault)
        return value

    @classmethod
    def parse(cls, values: Mapping[str, object]) -> Self:
        """Settings from plain values.

        Raises:
            BadRequest: a name is unknown or a value is out of range; the message names both.
        """
        try:
            return cls.model_validate(dict(values))
        except ValidationError as error:
            raise BadRequest(_in_words(error, list(cls.model_fields)), code="settings.invalid") from error

    @classmethod
    def stored(cls, values: Mapping[str, object]) -> Self:
        """Settings as the database holds them; names that this version does not know are left out.

        Raises:
            BadRequest: a stored value is out of range.
        """
        return cls.parse({name: value for name, value in values.items() if name in cls.model_fields})

    def changed(self, **values: object) -> Self:
        """A copy with some values replaced, validated as a whole.

        Raises:
            BadRequest: a name is unknown or a value is out of range.
        """
        return self.parse({**self.model_dump(), **values})


def _in_words(error: ValidationError, known: list[str]) -> str:
    parts = []
    for problem in error.errors(include_url=False):
        name = ".".join(str(part) for part in problem["loc"]) or "settings"
        if problem["type"] == "extra_forbidden":
            parts.append(f"there is no project setting '{name}'; the settings are {', '.join(known)}")
        else:
            what = problem["msg"].removeprefix("Value error, ")
            what = what[:1].lower() + what[1:]
            parts.append(f"'{name}' cannot be {problem['input']!r:.80}: {what}")
    return f"The project settings were not changed: {'; '.join(parts)}. Correct them and try again."


@lru_cache(maxsize=256)
def _fault_of_pattern(pattern: str) -> str:
    """Why a group pattern cannot be used, empty where it can; tried on long names of what it speaks of."""
    letters = [*"aA0_- .", *sorted({letter for letter in pattern if letter.isalnum()})[:40]]
    probes = [*(letter * 120 + "!" for letter in letters), "a " * 60 + "!", "ab_01-" * 20 + "!"]
    try:
        for probe in probes:
            regex.search(pattern, probe, timeout=PATTERN_SECONDS)
    except regex.error as error:
        return f"the group pattern {pattern!r} is not a valid regular expression ({error})"
    except (TimeoutError, RecursionError, MemoryError):
        return (
            f"the group pattern {pattern!r} takes too long on names such as {probe[:40]!r}; write it without a "
            "repetition inside a repetition, such as (a+)+"
        )
    return ""
