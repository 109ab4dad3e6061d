"""Finds images that joined a group under an earlier, less strict check and are not confirmed by the current one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ml_backend.duplicates.confirming import PixelCheck
from ml_backend.duplicates.earlier import CHECKED, joined
from ml_backend.duplicates.regroup import correct, groups_lock
from ml_backend.errors import BadRequest
from ml_backend.images.files import ImageFiles
from ml_backend.images.items import display_name
from ml_backend.state.files import DataDir
from ml_backend.state.records import ItemRow
from ml_backend.state.store import Store
from strategies.near_duplicates.verification.pairs import Rules
from strategies.near_duplicates.version import GROUPS_VERSION
from training.types import Progress


@dataclass(frozen=True)
class Doubt:
    """A pair in one group that, by its pixels, does not show the same specimen.

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


def recheck(
    store: Store,
    files: DataDir,
    images: ImageFiles,
    project_id: int,
    progress: Progress,
    *,
    max_pixels: int,
    apply: bool = False,
) -> list[Doubt]:
    """Compare every image that joined a group with its representatives; groups merged by hand keep theirs.

    Images that are confirmed are noted as joined by the present check.

    Args:
        store: the database.
        files: holds the lock on the groups.
        images: local files of items.
        project_id: Label Studio's project id.
        progress: called with the progress.
        max_pixels: larger images are not compared.
        apply: take those that are not confirmed out of their group; each gets a task of its own with the next run.

    Returns:
        Pairs that are not confirmed. Equal files always are.
    """
    items = {item.id: item for item in store.items.all(project_id, states=("ready",))}
    share = store.projects.settings(project_id).duplicate_share
    check = PixelCheck(lambda item_id: images.of(items[item_id]), max_pixels, Rules(share=share))
    members = joined(items.values())
    doubts, confirmed = [], []
    for number, (item, leads) in enumerate(members, 1):
        if any(check.same(lead.id, item.id) for lead in leads):
            confirmed.append(item)
        else:
            doubts.append(Doubt(item.group_id or item.id, item.id, display_name(item), display_name(leads[0])))
        progress(number / len(members), f"{len(doubts)} of {number} not confirmed")
    _note(store, files, project_id, confirmed)
    for doubt in doubts if apply else ():
        try:
            correct(store, files, project_id, split=[doubt.item])
        except BadRequest:
            # corrected by hand meanwhile
            continue
    return doubts


def _note(store: Store, files: DataDir, project_id: int, confirmed: Sequence[ItemRow]) -> None:
    with files.lock(groups_lock(project_id)):
        now = store.items.by_id(project_id, [item.id for item in confirmed])
        store.items.update(
            [
                {"id": item.id, "meta": {**now[item.id].meta, CHECKED: GROUPS_VERSION}}
                for item in confirmed
                # corrected by hand meanwhile: what it is in now was not compared
                if item.id in now and now[item.id].group_id == item.group_id
            ]
        )
