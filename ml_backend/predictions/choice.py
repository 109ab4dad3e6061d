"""From which score on each class of a detector is shown, as `ml_backend.effort.choosing` chose it for a run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from ml_backend.state.free_form import Json

if TYPE_CHECKING:
    from training.evaluation.worth import Worth


@dataclass(frozen=True)
class ClassChoice:
    """The choice for one class.

    Attributes:
        threshold: least score shown.
        objects: objects of the class that it rests on.
        basis: "own", "all" or "default", see `training.evaluation.corrections.ClassThreshold`.
    """

    threshold: float
    objects: int
    basis: str


@dataclass(frozen=True)
class Choice:
    """What was chosen for a run's detector.

    Attributes:
        classes: by class name.
        numbers: what was counted and by which rule, in JSON form as it was stored: reports hand it on as it is.
    """

    classes: Mapping[str, ClassChoice]
    numbers: Json

    @classmethod
    def stored(cls, value: object) -> Choice | None:
        """A choice as the metrics of a run hold it, runs of earlier versions included; None where nothing was chosen.

        Raises:
            KeyError, TypeError, ValueError: the choice of a class is damaged.
        """
        if not isinstance(value, Mapping) or not value:
            return None
        classes = {
            str(name): ClassChoice(float(one["threshold"]), int(one["objects"]), str(one["basis"]))
            for name, one in value.get("classes", {}).items()
        }
        return cls(classes, {name: each for name, each in value.items() if name != "classes"})

    def as_dict(self) -> dict[str, object]:
        """JSON form, for the metrics of a run."""
        return {"classes": {name: asdict(one) for name, one in self.classes.items()}, **self.numbers}

    @property
    def why(self) -> str:
        """The choice in words."""
        return str(self.numbers.get("why", ""))

    @property
    def rule(self) -> object:
        """By what the project decided; None in runs of earlier versions."""
        return self.numbers.get("rule")

    @property
    def is_weighed(self) -> bool:
        """Whether some correction costs more than another."""
        return not set(self.numbers.get("costs", {}).values()) <= {1}

    @property
    def worth(self) -> Worth | None:
        """What the proposals spare on held-out images; None where nobody could tell."""
        stored = self.numbers.get("worth")
        if not isinstance(stored, Mapping):
            return None
        # Late: it brings the arithmetic of masks, which a web process without detectors never needs.
        from training.evaluation.worth import Worth

        low, high = stored["interval"]
        return Worth(
            images=int(stored["images"]),
            groups=int(stored.get("groups", 0)),
            corrections=int(stored["corrections"]),
            by_hand=int(stored["by_hand"]),
            spared=float(stored["spared"]),
            interval=(float(low), float(high)),
        )
