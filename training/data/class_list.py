"""Images with classes that lie in no class folders: what a table or an export names."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class ClassList:
    """Labeled images of one folder.

    Attributes:
        title: of the file that names them, for people.
        root: folder that the images lie below.
        labels: path of each image below `root`, written with `/` -> its class.
        problems: what was left out while reading and why, one sentence each.
    """

    title: str
    root: Path
    labels: Mapping[str, str]
    problems: tuple[str, ...] = ()
