"""Images that joined a group under an earlier version of the check, until they are compared again."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from ml_backend.duplicates.regroup import groups_of, is_founder
from ml_backend.state.records import ItemRow
from strategies.near_duplicates.version import GROUPS_VERSION

CHECKED = "checked"
"""Key in an item's `meta`: the check that let it join its group."""

Joined = tuple[ItemRow, Sequence[ItemRow]]


def joined(items: Iterable[ItemRow]) -> list[Joined]:
    """Every image that joined a group, with its representatives; identical files need no check and are left out."""
    found: list[Joined] = []
    for members in groups_of(items).values():
        leads = [member for member in members if is_founder(member)]
        equal = {lead.content_hash for lead in leads} - {""}
        found += [
            (item, leads) for item in members if leads and not is_founder(item) and item.content_hash not in equal
        ]
    return found


def earlier_note(project_id: int, items: Iterable[ItemRow]) -> str:
    """A note on how many ready images joined under an earlier check, and what to do; empty if none did."""
    count = sum(item.meta.get(CHECKED, 0) != GROUPS_VERSION for item, _ in joined(items))
    if not count:
        return ""
    images = "1 image" if count == 1 else f"{count} images"
    return (
        f"{images} joined a group under an earlier, less strict check. `paploop groups {project_id} --recheck` "
        "compares them again."
    )
