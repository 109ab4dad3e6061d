"""Pool and test part of a class folder, with no patient, slide or source image on both sides."""

from __future__ import annotations

import os
import shutil
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ml_backend.errors import BadRequest
from training.data.class_folders import ClassFolders
from training.data.split import source_group

TRIES = 300


@dataclass(frozen=True)
class Parts:
    """File names below the folder, on either side.

    Attributes:
        pool: what experts may be asked about.
        test: what nothing of the loop ever sees.
    """

    pool: tuple[str, ...]
    test: tuple[str, ...]


def leak_groups(names: Sequence[str], pattern: str, gap: int) -> list[str]:
    """The group of each name; numbered groups within `gap` of their neighbor are one.

    Args:
        names: file names.
        pattern: see `training.data.split.source_group`; empty = every file for itself.
        gap: 0 = groups stay as the pattern says.

    Raises:
        BadRequest: `gap` is set and a group is not a number.
    """
    keys = [source_group(name.rsplit("/", 1)[-1], pattern) for name in names]
    if not gap:
        return keys
    wrong = next((key for key in keys if not key.isdigit()), None)
    if wrong is not None:
        raise BadRequest(
            f"--group-gap needs groups that are numbers, but '{wrong}' is not one. Give --group-pattern a "
            "group of digits."
        )
    cluster, last = {}, None
    for number in sorted({int(key) for key in keys}):
        cluster[number] = number if last is None or number - last > gap else cluster[last]
        last = number
    return [str(cluster[int(key)]) for key in keys]


def split(names: Sequence[str], labels: Sequence[str], groups: Sequence[str], fraction: float, seed: int) -> Parts:
    """Put whole groups into the test part, so that its class shares are near those of all.

    Args:
        names: file names.
        labels: their classes.
        groups: their groups.
        fraction: share of images wanted in the test part, in (0, 1).
        seed: of the choice.

    Raises:
        BadRequest: there are too few groups.
    """
    distinct = sorted(set(groups))
    if len(distinct) < 2:
        raise BadRequest("All images are in one group, so no test part can be held out. Check --group-pattern.")
    sizes, whole = Counter(groups), Counter(labels)
    rng = np.random.default_rng(seed)
    best: tuple[float, frozenset[str]] | None = None
    for _ in range(TRIES):
        chosen: set[str] = set()
        taken = 0
        for position in rng.permutation(len(distinct)):
            group = distinct[position]
            if taken + sizes[group] <= fraction * len(names) or not chosen:
                chosen.add(group)
                taken += sizes[group]
        inside = Counter(label for label, group in zip(labels, groups, strict=True) if group in chosen)
        off = sum(abs(inside[name] / fraction - count) for name, count in whole.items())
        if best is None or off < best[0]:
            best = (off, frozenset(chosen))
    assert best is not None
    held = [group in best[1] for group in groups]
    return Parts(
        pool=tuple(name for name, out in zip(names, held, strict=True) if not out),
        test=tuple(name for name, out in zip(names, held, strict=True) if out),
    )


def given_parts(names: Sequence[str], folders: ClassFolders) -> Parts | None:
    """The parts that a folder's own split says: `test`, or without one `val`, is the test part; None without a split.

    Args:
        names: paths below the folder.
        folders: how they are read.
    """
    said = {name: folders.part_of(name) for name in names}
    apart = "test" if "test" in said.values() else "validation"
    test = tuple(name for name in names if said[name] == apart)
    pool = tuple(name for name in names if said[name] != apart)
    return Parts(pool, test) if test and pool else None


def lay_out(root: Path, names: Sequence[str], folder: Path) -> None:
    """Make `folder` hold exactly these files of `root`, linked where the file system allows, else copied."""
    wanted = {folder / name: root / name for name in names}
    if folder.exists():
        for path in sorted(folder.rglob("*")):
            if path.is_file() and path not in wanted:
                path.unlink()
    for path, source in wanted.items():
        if path.exists():
            continue
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            os.link(source, path)
        except OSError:
            shutil.copyfile(source, path)
