"""What was measured in a run, one entry per step, as its row keeps it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Final, Self

from ml_backend.state.free_form import Json

VERSION: Final = 1
"""Of this layout; rows written before it was counted have none and read as 0."""

_STEPS: Final = ("training", "judgement", "publish")

Measured = Json
"""What one step or one kind measured, as JSON: its names belong to whoever wrote it."""


@dataclass(frozen=True)
class Metrics:
    """Measurements of a run; a step that was not reached has measured nothing.

    Attributes:
        training: by the training job.
        judgement: by the judge: `candidate`, `incumbent`, `incumbent_run`, `curve` and what the kind's rule rests on.
        publish: by the publish step: `strategy`, `version`, `pushed`, and what the kind has to tell of its proposals.
        own: what only one kind measures, by name; names of other versions are kept here too.
        version: of the layout.
    """

    training: Measured = field(default_factory=dict)
    judgement: Measured = field(default_factory=dict)
    publish: Measured = field(default_factory=dict)
    own: Measured = field(default_factory=dict)
    version: int = VERSION

    @classmethod
    def of(cls, stored: Json) -> Self:
        """Read JSON of any version: what is missing, or no object, reads as nothing measured.

        >>> Metrics.of({"judgement": {"items": 3}, "thresholds": {}})
        Metrics(training={}, judgement={'items': 3}, publish={}, own={'thresholds': {}}, version=0)
        """
        training, judgement, publish = (_object(stored.get(name)) for name in _STEPS)
        version = stored.get("version")
        own = {name: value for name, value in stored.items() if name not in (*_STEPS, "version")}
        return cls(training, judgement, publish, own, version if isinstance(version, int) else 0)

    def as_dict(self) -> dict[str, object]:
        """JSON form; steps that measured nothing are left out, so nothing measured is an empty object."""
        told = {name: dict(getattr(self, name)) for name in _STEPS if getattr(self, name)}
        said = {**self.own, **told}
        return {**said, "version": self.version} if said and self.version else said

    def with_own(self, name: str, value: object) -> Self:
        """The same with a measurement of the kind's own."""
        return replace(self, own={**self.own, name: value})


def _object(value: object) -> Measured:
    return value if isinstance(value, Mapping) else {}
