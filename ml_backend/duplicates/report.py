"""What a search for duplicates found, as plain data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass


@dataclass(frozen=True)
class Member:
    """An image that shows the same specimen as its representative.

    Attributes:
        path: relative to the folder.
        relation: one of `relation.RELATIONS`.
        similarity: in [0, 1]; 1 for equal pixels, else the mean local correlation of what both show.
    """

    path: str
    relation: str
    similarity: float


@dataclass(frozen=True)
class Group:
    """A representative and its members, paths relative to the folder."""

    representative: str
    members: tuple[Member, ...]

    @property
    def paths(self) -> tuple[str, ...]:
        """All images of the group, the representative first."""
        return (self.representative, *(member.path for member in self.members))


@dataclass(frozen=True)
class Conflict:
    """A group whose images lie in different class folders: `labels[i]` is the folder of `paths[i]`."""

    paths: tuple[str, ...]
    labels: tuple[str, ...]


@dataclass(frozen=True)
class Kinship:
    """Two groups of exact copies that show the same specimen without being equal; reported, but not merged."""

    first: str
    second: str
    relation: str


@dataclass(frozen=True)
class Report:
    """What a search found.

    Attributes:
        images: image files looked at, the unreadable ones included.
        groups: of two images or more.
        conflicts: groups across class folders.
        unreadable: path -> reason.
        kin: groups of exact copies that are near-duplicates of each other; not part of the JSON form.
    """

    images: int
    groups: Sequence[Group]
    conflicts: Sequence[Conflict]
    unreadable: Mapping[str, str]
    kin: Sequence[Kinship] = ()

    def as_dict(self) -> dict[str, object]:
        """JSON form."""
        return {
            "images": self.images,
            "groups": [
                {"representative": g.representative, "members": [asdict(m) for m in g.members]} for g in self.groups
            ],
            "conflicts": [{"paths": list(c.paths), "labels": list(c.labels)} for c in self.conflicts],
            "unreadable": [{"path": path, "reason": reason} for path, reason in self.unreadable.items()],
        }
