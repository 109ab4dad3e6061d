"""Training or validation: chosen once per group, frozen forever.

An item follows its source group (patient, slide, source image) and its near-duplicate group. Where one of them already
has a side, the item takes it; where the two stand on different sides, it goes into quarantine and neither uses it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Hashable, Iterable
from typing import Final, Literal, Protocol

import regex

from training.types import TrainingError

Split = Literal["train", "validation"]
Placement = Literal["train", "validation", "quarantine"]

MATCH_SECONDS: Final = 0.5
"""Longest time that a group pattern may take for one file name; a sound one takes microseconds."""

_SIDES: dict[str, Split] = {"train": "train", "validation": "validation"}

NewItem = tuple[int, str | None, int | None]
"""Item id, source group, near-duplicate group; an empty source or None stands for "none known"."""

KnownItem = tuple[int, str | None, int | None, str | None]
"""The same with the split that the item already has."""


def assign_split(group_key: str, fraction: float, salt: str) -> Split:
    """The side of a group, from a hash of its key: the same on every machine and at any time.

    Args:
        group_key: what the group is called.
        fraction: share of groups that goes to validation, in [0, 1].
        salt: tells projects apart, so that not all of them hold back the same patients.
    """
    digest = hashlib.sha256(f"{salt}\x00{group_key}".encode()).digest()
    position = int.from_bytes(digest[:8], "big") / 2**64
    return "validation" if position < fraction else "train"


def place(new: Iterable[NewItem], known: Iterable[KnownItem], fraction: float, salt: str) -> dict[int, Placement]:
    """Give every new item its split; what is known never moves.

    Any batching of the same order gives the same answer.

    Args:
        new: items in the order of their arrival.
        known: all items that have a split.
        fraction: share of groups that goes to validation.
        salt: see `assign_split`.

    Returns:
        Item id -> split, for the new items.
    """
    sides: dict[tuple[str, Hashable], Split] = {}
    for _, source, duplicates, split in known:
        side = _SIDES.get(split or "")
        if side is not None:
            for key in _keys(source, duplicates):
                sides.setdefault(key, side)
    placed: dict[int, Placement] = {}
    for item, source, duplicates in new:
        keys = _keys(source, duplicates)
        found = {sides[key] for key in keys if key in sides}
        if len(found) == 2:
            placed[item] = "quarantine"
            continue
        chosen = found.pop() if found else assign_split(_name(item, source, duplicates), fraction, salt)
        placed[item] = chosen
        for key in keys:
            sides[key] = chosen
    return placed


def source_group(name: str, pattern: str) -> str:
    """The source group in a file name.

    Args:
        name: file name, possibly with folders.
        pattern: regular expression searched in it. The group named `group` counts, else the first group, else the whole
            match. No match or an empty pattern: the name itself, so that every file is its own group.

    Raises:
        TrainingError: the pattern is not a regular expression, or takes so long that no folder could be searched with
            it.
    """
    if not pattern:
        return name
    try:
        match = regex.search(pattern, name, timeout=MATCH_SECONDS)
    except regex.error as error:
        raise TrainingError(
            f"The group pattern {pattern!r} is not a valid regular expression ({error}). Correct it in the settings."
        ) from error
    except (TimeoutError, RecursionError, MemoryError) as error:
        raise TrainingError(
            f"The group pattern {pattern!r} takes too long on names such as {name[:40]!r}. Avoid repetition "
            "inside repetition, such as (a+)+."
        ) from error
    if match is None:
        return name
    if "group" in match.groupdict():
        return match["group"] or name
    return (match[1] if match.re.groups else match[0]) or name


class Placed(Protocol):
    """What the check reads of a sample."""

    @property
    def group(self) -> str:
        """The leak-proof group."""

    @property
    def split(self) -> str:
        """Its side."""


def check_no_leak(samples: Iterable[Placed]) -> None:
    """Make sure that no group is on both sides.

    Raises:
        TrainingError: one does; the message names it.
    """
    sides: dict[str, str] = {}
    for sample in samples:
        if sides.setdefault(sample.group, sample.split) != sample.split:
            raise TrainingError(
                f"The group {sample.group!r} is in both training and validation. Put each group on one side."
            )


def _keys(source: str | None, duplicates: int | None) -> list[tuple[str, Hashable]]:
    keys: list[tuple[str, Hashable]] = []
    if source:
        keys.append(("source", source))
    if duplicates is not None:
        keys.append(("duplicates", duplicates))
    return keys


def _name(item: int, source: str | None, duplicates: int | None) -> str:
    return source or (f"duplicates {duplicates}" if duplicates is not None else f"item {item}")
