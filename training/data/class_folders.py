"""Which folder of a path says the class, and which says the part of a split: one rule for every command.

The outermost folder below the root is the class; deeper ones (slides, patients) are not. Folders called train, val,
valid, validation or test, whatever their case, that hold the same class folders are the parts of a split and never
classes: the folder below them is the class.
"""

from __future__ import annotations

import unicodedata
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, Literal

Part = Literal["", "train", "validation", "test"]

PARTS: Final[dict[str, Part]] = {
    **dict.fromkeys(("train", "training"), "train"),
    **dict.fromkeys(("val", "valid", "validation"), "validation"),
    **dict.fromkeys(("test", "testing"), "test"),
}
"""Lower-case names of split folders."""


def normal(name: str) -> str:
    """A class name in the form in which two are compared: composed letters, no space around it."""
    return unicodedata.normalize("NFC", name).strip()


@dataclass(frozen=True)
class ClassFolders:
    """How the paths of one folder are read.

    Attributes:
        parts: outermost folders that are parts of a split, as they are written -> the part; empty where there is none.
    """

    parts: dict[str, Part]

    @classmethod
    def of(cls, names: Iterable[str]) -> ClassFolders:
        """Look at the paths (`a/b/c.png`) of all images below one folder."""
        classes: dict[str, set[str]] = defaultdict(set)
        for name in names:
            folders = name.split("/")[:-1]
            if folders:
                classes[folders[0]].update(normal(folder) for folder in folders[1:2])
        named = [top for top in classes if part_named(top) and classes[top]]
        shared = [
            top
            for top in named
            if any(classes[top] & classes[other] for other in named if part_named(other) != part_named(top))
        ]
        splits = named if len(named) == len(classes) else shared
        return cls({top: part_named(top) for top in sorted(splits)})

    def class_of(self, name: str) -> str:
        """The class that a path says; empty where it says none."""
        folders = [normal(folder) for folder in name.split("/")[:-1]]
        if self.parts:
            return folders[1] if len(folders) > 1 and name.split("/")[0] in self.parts else ""
        return folders[0] if folders else ""

    def part_of(self, name: str) -> Part:
        """The part of a split that a path says; empty where it says none."""
        return self.parts.get(name.split("/")[0], "")


def part_named(folder: str) -> Part:
    """The part of a split that a folder's own name stands for; empty for other names."""
    return PARTS.get(folder.strip().lower(), "")
