"""What an order was made from, so that it can be explained and made again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Final, Self

from ml_backend.state.free_form import Json

VERSION: Final = 1
"""Of this layout; rows written before it was counted have none and read as 0."""


@dataclass(frozen=True)
class Provenance:
    """Where an order came from.

    Attributes:
        strategy: what ranked.
        asked: the project's strategy, which may have left the choice to another one.
        note: what the order's maker had to say, such as a fallback.
        facts: what the strategy counted.
        parameters: of the strategy.
        seed: of its random generator.
        window: how many items a strategy was asked for.
        model_run: the run whose model spoke, None at cold start.
        encoder: key of the embeddings.
        index_version: of the near-duplicate groups.
        duplicates: radius and share by which they were found.
        items: how many there were to rank.
        labelled: how many of them were labeled.
        data_hash: of ids, labels and groups.
        newest_item: the newest image that was there to be ordered, 0 where nobody wrote it down.
        own: what only one kind knows, by name; names of other versions are kept here too.
        version: of the layout.
    """

    strategy: str = ""
    asked: str = ""
    note: str = ""
    facts: Json = field(default_factory=dict)
    parameters: Json = field(default_factory=dict)
    seed: int | None = None
    window: int | None = None
    model_run: int | None = None
    encoder: str = ""
    index_version: int | str | None = None
    duplicates: Mapping[str, float] = field(default_factory=dict)
    items: int = 0
    labelled: int = 0
    data_hash: str = ""
    newest_item: int = 0
    own: Json = field(default_factory=dict)
    version: int = VERSION

    @classmethod
    def of(cls, stored: Json) -> Self:
        """Read JSON of any version: what is missing or empty has its default.

        >>> Provenance.of({"seed": 3, "newest_item": None, "looked_at": 2}).own
        {'looked_at': 2}
        """
        names = {each.name for each in fields(cls)} - {"own", "version"}
        known = {name: value for name, value in stored.items() if name in names and value is not None}
        own = {name: value for name, value in stored.items() if name not in names and name != "version"}
        return cls(**known, own=own, version=int(stored.get("version") or 0))

    def as_dict(self) -> dict[str, object]:
        """JSON form, flat."""
        told = {each.name: getattr(self, each.name) for each in fields(self) if each.name != "own"}
        return {**self.own, **told}
