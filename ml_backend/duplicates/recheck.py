"""Images that joined a group by an earlier, less careful check: which of them does the present one not confirm?"""

from __future__ import annotations

from dataclasses import dataclass

from ml_backend.duplicates.confirming import PixelCheck
from ml_backend.duplicates.regroup import correct, groups_of, is_founder
from ml_backend.errors import BadRequest
from ml_backend.items import display_name
from ml_backend.services import Services
from strategies.near_duplicates.verification.pairs import Rules
from training.types import Progress


@dataclass(frozen=True)
class Doubt:
    """A pair that is in one group without showing the same, as far as the pixels tell.

    Attributes:
        group: its number.
        item: the image that joined.
        name: its name.
        shown: name of the image that stands for the group.
    """

    group: int
    item: int
    name: str
    shown: str


def recheck(services: Services, project_id: int, progress: Progress, *, apply: bool = False) -> list[Doubt]:
    """Compare every image that joined a group with those that lead it; groups made by hand keep their leaders.

    Args:
        services: the parts of the process.
        project_id: Label Studio's project id.
        progress: told how far it is.
        apply: take those that are not confirmed out of their group; each gets a task of its own with the next run.

    Returns:
        Pairs that are not confirmed. Equal files always are.
    """
    items = {item.id: item for item in services.store.items(project_id, states=("ready",))}
    share = services.store.settings(project_id).duplicate_share
    check = PixelCheck(
        lambda item_id: services.image_path(items[item_id]), services.settings.max_image_pixels, Rules(share=share)
    )
    groups = groups_of(items.values())
    joined = [(group, item) for group, members in groups.items() for item in members if not is_founder(item)]
    doubts = []
    for number, (group, item) in enumerate(joined, 1):
        leads = [member for member in groups[group] if is_founder(member)]
        if leads and not any(lead.content_hash == item.content_hash or check.same(lead.id, item.id) for lead in leads):
            doubts.append(Doubt(group, item.id, display_name(item), display_name(leads[0])))
        progress(number / len(joined), f"{len(doubts)} of {number} not confirmed")
    for doubt in doubts if apply else ():
        try:
            correct(services, project_id, split=[doubt.item])
        except BadRequest:
            # corrected by hand meanwhile
            continue
    return doubts
