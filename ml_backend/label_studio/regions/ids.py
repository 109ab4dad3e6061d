"""Names of proposed regions: `paploop-<run>-<item>` for a whole image, `paploop-<run>-<item>-<region>` for an object.

Label Studio keeps them when an annotator takes a pre-annotation over, whatever they change of the region, and gives
new regions names of its own. So a finished annotation itself says which model's proposals it was made from, long after
these predictions were deleted.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

_NAME = re.compile(r"paploop-(\d{1,18})-(\d{1,18})(?:-(\d{1,9}))?")


@dataclass(frozen=True)
class Proposal:
    """A region that PapLoop proposed.

    Attributes:
        run: the run whose model proposed it.
        item: the image.
        index: number of the region in the model's answer; None for a class of the whole image.
    """

    run: int
    item: int
    index: int | None = None


def region_id(run: int, item: int, index: int | None = None) -> str:
    """The name of a proposed region.

    Example:
        >>> region_id(12, 345), region_id(12, 345, 6)
        ('paploop-12-345', 'paploop-12-345-6')
    """
    return f"paploop-{run}-{item}" if index is None else f"paploop-{run}-{item}-{index}"


def proposal_of(name: object) -> Proposal | None:
    """What a region's id says, or None when it is not one of ours.

    Example:
        >>> proposal_of("paploop-12-345-6")
        Proposal(run=12, item=345, index=6)
    """
    found = _NAME.fullmatch(name) if isinstance(name, str) else None
    if found is None:
        return None
    run, item, index = found.groups()
    return Proposal(int(run), int(item), None if index is None else int(index))
