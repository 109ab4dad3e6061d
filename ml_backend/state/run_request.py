"""What a run is asked for, as its row and the `request.json` of its folder keep it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Final, Self

from ml_backend.state.free_form import Json, whole

FIRST: Final = "classes"
"""The kind of model of runs from before any other was trained."""

VERSION: Final = 1
"""Of this layout; rows written before it was counted have none and read as 0."""


@dataclass(frozen=True)
class Request:
    """What a run uses. Training jobs read it as one flat JSON object.

    Attributes:
        task: name of the kind of model to train, see `ml_backend.loop.kinds`; empty in a run that only ranks, and in
            rows from before other kinds were trained than classes.
        classes: names of the classes, in the order of the model's numbers.
        encoder: key of the encoder by whose embeddings items are found again.
        encoder_name: the project's setting of that name.
        seed: of random choices.
        threads: CPU threads of the training job.
        labels: how many labeled images there are to learn from and to judge on.
        omitted: why labeled tasks were left out, with the number of tasks.
        model_run: the run whose model a roll-back asks for.
        own: what only one kind knows, by name; names of other versions are kept here too.
        version: of the layout.
    """

    task: str = ""
    classes: tuple[str, ...] = ()
    encoder: str = ""
    encoder_name: str = ""
    seed: int | None = None
    threads: int | None = None
    labels: int | None = None
    omitted: Mapping[str, int] = field(default_factory=dict)
    model_run: int | None = None
    own: Json = field(default_factory=dict)
    version: int = VERSION

    @classmethod
    def of(cls, stored: Json) -> Self:
        """Read JSON of any version: what is missing, or not of its type, has its default.

        >>> Request.of({"classes": ["a", "b"], "method": "head", "labels": None}).own
        {'method': 'head'}
        """
        names = {each.name for each in fields(cls)} - {"own"}
        classes, omitted = stored.get("classes"), stored.get("omitted")
        return cls(
            task=_text(stored.get("task")),
            classes=tuple(map(str, classes)) if isinstance(classes, list | tuple) else (),
            encoder=_text(stored.get("encoder")),
            encoder_name=_text(stored.get("encoder_name")),
            seed=whole(stored.get("seed")),
            threads=whole(stored.get("threads")),
            labels=whole(stored.get("labels")),
            omitted=dict(omitted) if isinstance(omitted, Mapping) else {},
            model_run=whole(stored.get("model_run")),
            own={name: value for name, value in stored.items() if name not in names},
            version=whole(stored.get("version")) or 0,
        )

    def as_dict(self) -> dict[str, object]:
        """JSON form, flat; what was not said is left out."""
        said = {each.name: getattr(self, each.name) for each in fields(self) if each.name != "own"}
        told = {name: value for name, value in said.items() if value not in (None, "", (), {})}
        if not self.version:
            told.pop("version", None)
        return {**self.own, **told, **({"classes": list(self.classes)} if self.classes else {})}

    @property
    def trains(self) -> str:
        """The name of the kind of model that the run trains."""
        return self.task or FIRST

    def count(self, name: str) -> int | None:
        """A whole number among the kind's own entries, None if it is missing."""
        return whole(self.own.get(name))


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""
