"""File names that evidently share prefixes (patient, slide) -> a pattern to propose; nothing is applied."""

from __future__ import annotations

import shlex
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from training.data.split import source_group

FEWEST_GROUPS = 5
LARGEST_PART = 0.5
LEAST_SHARED = 0.5
"""Part of the images that share their group with another one; below, names differ by chance."""

_PATTERNS = (
    (r"([^/_]+)_[^/]*$", "what comes before the first '_' of a file name"),
    (r"([^/-]+)-[^/]*$", "what comes before the first '-' of a file name"),
    (r"([^/]+?)__[^/]*$", "what comes before the first '__' of a file name"),
    (r"([^/]+)_[^/_]*$", "what comes before the last '_' of a file name"),
    (r"([^/]+)-[^/-]*$", "what comes before the last '-' of a file name"),
)
# An absolute or folder-long prefix must not be taken for the file's: the search starts at the name.
_NAME = r"(?:^|/)"


@dataclass(frozen=True)
class Proposal:
    """A pattern that groups images by their names.

    Attributes:
        pattern: regular expression for the setting `group_pattern`.
        words: what it takes, in words.
        groups: how many groups it finds.
        images: in how many images.
        examples: a few names, each with its group.
    """

    pattern: str
    words: str
    groups: int
    images: int
    examples: Sequence[tuple[str, str]]

    def advice(self, folder: str, project_id: int) -> str:
        """For a person: what was noticed, what it means, and how to accept it."""
        shown = ", ".join(f"{name} belongs to {group}" for name, group in self.examples)
        return (
            f"File names share prefixes: {self.words} gives {self.groups} groups of {self.images} images "
            f"({shown}). If these are patients, slides or source images, each must be on one side of the "
            f"split; otherwise every score is too high. Run `paploop ingest {shlex.quote(folder)} --project "
            f"{project_id} --group-pattern auto` before the first training run, or `none` in place of `auto` "
            "if they are not."
        )


def propose_groups(names: Sequence[str]) -> Proposal | None:
    """The coarsest pattern under which names evidently belong together, None where none does.

    Args:
        names: file names, possibly with folders, `/` between them.
    """
    classes = {name.rpartition("/")[0].rpartition("/")[2] for name in names}
    for ending, words in _PATTERNS:
        pattern = _NAME + ending
        groups = [source_group(name, pattern) for name in names]
        counts = Counter(groups)
        if _evident(counts, names) and not set(counts) <= classes:
            first = dict(zip(reversed(groups), reversed(names), strict=True))
            examples = [(first[group], group) for group in sorted(counts, key=lambda g: (-counts[g], g))[:3]]
            return Proposal(pattern, words, len(counts), len(names), tuple(examples))
    return None


def _evident(counts: Counter[str], names: Sequence[str]) -> bool:
    shared = sum(count for count in counts.values() if count > 1)
    return (
        len(counts) >= FEWEST_GROUPS
        and max(counts.values()) <= LARGEST_PART * len(names)
        and shared >= LEAST_SHARED * len(names)
        # names that are their own group are not told apart by the pattern
        and not any(name in counts for name in names if counts[name] > 1)
    )
