"""A lead's corrections of duplicate groups: merges and splits by hand are permanent.

A group is the item id of its representative. An ingest never revises groups that exist, so a correction is a change of
group ids; the former representative of a merged group keeps the mark `FOUNDER`, so that images which resemble it alone
still come to the merged group. Where a merge brings training and validation together, the training side goes into
quarantine: the validation set stays what every model was judged on. A split that parts them again gives the side back.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence

from ml_backend.errors import BadRequest, NotFound
from ml_backend.state.files import DataDir
from ml_backend.state.records import ItemChange, ItemRow
from ml_backend.state.store import Store

FOUNDER = "founder"
"""Key in an item's `meta`: it founded a group that was merged into another."""

SIDE = "side"
"""Key in an item's `meta`: the side that a merge by hand took it from."""

APART = "apart"
"""Key in an item's `meta`: it was split off by hand; a search does not join it to the others again."""

Changes = list[ItemChange]


def groups_lock(project_id: int) -> str:
    """Name of the lock under which the groups of a project are read and changed."""
    return f"groups-{project_id:06d}"


def correct(
    store: Store, files: DataDir, project_id: int, *, merge: Sequence[int] = (), split: Sequence[int] = ()
) -> int:
    """Merge groups, or split items off one; see `merge_groups` and `split_group`.

    Returns:
        The id of the group that came of it.
    """
    if bool(merge) == bool(split):
        raise BadRequest(
            "Name either items whose groups to merge or items to split off, not both.",
            code="groups.unclear",
        )
    with files.lock(groups_lock(project_id)):
        if merge:
            return merge_groups(store, project_id, merge)
        return split_group(store, project_id, split)


def is_founder(item: ItemRow) -> bool:
    """Whether new images are compared with this item."""
    return item.group_id is not None and (item.group_id == item.id or bool(item.meta.get(FOUNDER)))


def groups_of(items: Iterable[ItemRow]) -> dict[int, list[ItemRow]]:
    """Group id -> its items, in order of their ids."""
    groups: dict[int, list[ItemRow]] = {}
    for item in sorted(items, key=lambda item: item.id):
        if item.group_id is not None:
            groups.setdefault(item.group_id, []).append(item)
    return groups


def merge_groups(store: Store, project_id: int, item_ids: Sequence[int]) -> int:
    """Merge the groups of these items into one.

    Args:
        store: the state.
        project_id: Label Studio's project id.
        item_ids: at least one item of every group that is to be merged.

    Returns:
        The id of the merged group, which is the oldest of its representatives.

    Raises:
        NotFound: an item is not in the project.
        BadRequest: an item has no group yet, or all are in one group already.
    """
    groups = groups_of(store.items.all(project_id))
    chosen = sorted({_grouped(item) for item in _named(store, project_id, item_ids)})
    if len(chosen) < 2:
        raise BadRequest(
            "These items are already in one group. Include an item of another group.", code="groups.unclear"
        )
    members = [item for group in chosen for item in groups[group]]
    clash = {"train", "validation"} <= {item.split for item in members}
    changes: Changes = []
    for item in members:
        meta, side = dict(item.meta), item.split
        if is_founder(item) and item.group_id != chosen[0]:
            meta[FOUNDER] = True
        if clash and side == "train":
            meta[SIDE], side = side, "quarantine"
        changes.append({"id": item.id, "group_id": chosen[0], "split": side, "meta": meta})
    store.items.update(changes)
    return chosen[0]


def split_group(store: Store, project_id: int, item_ids: Sequence[int]) -> int:
    """Take items out of their group; together they form a group of their own.

    Args:
        store: the state.
        project_id: Label Studio's project id.
        item_ids: a part of one group.

    Returns:
        The id of the group of these items: its former representative if it leaves too, else the oldest of them.

    Raises:
        NotFound: an item is not in the project.
        BadRequest: the items have no group yet, are of several groups, or are a whole group.
    """
    leaving = _named(store, project_id, item_ids)
    old = {_grouped(item) for item in leaving}
    if len(old) > 1:
        raise BadRequest("These items are in several groups. Split one group at a time.", code="groups.unclear")
    members = groups_of(store.items.all(project_id))[old.pop()]
    ids = {item.id for item in leaving}
    staying = [item for item in members if item.id not in ids]
    if not staying:
        raise BadRequest(
            "These items are their whole group. Name only those that do not belong with the others.",
            code="groups.unclear",
        )
    store.items.update([*_apart(leaving, by_hand=True), *_apart(staying)])
    return _lead(leaving)


def _lead(items: Sequence[ItemRow]) -> int:
    ids = {item.id for item in items}
    founders = sorted(item.id for item in items if is_founder(item))
    return next((item.group_id for item in items if item.group_id in ids), None) or (founders or sorted(ids))[0]


def _apart(items: Sequence[ItemRow], *, by_hand: bool = False) -> Changes:
    """One part of a group that was split: who leads it, and the side that a merge had taken from it."""
    lead, held = _lead(items), any(item.split == "validation" for item in items)
    changes: Changes = []
    for item in items:
        meta, side = dict(item.meta), item.split
        if SIDE in meta and not held:
            side = meta.pop(SIDE)
        if item.id == lead:
            meta.pop(FOUNDER, None)
        if by_hand:
            meta[APART] = True
        changes.append({"id": item.id, "group_id": lead, "split": side, "meta": meta})
    return changes


def _named(store: Store, project_id: int, item_ids: Collection[int]) -> list[ItemRow]:
    found = store.items.by_id(project_id, set(item_ids))
    missing = sorted(set(item_ids) - set(found))
    if missing:
        raise NotFound(
            f"There is no item {missing[0]} in project {project_id}; `paploop groups` lists them.",
            code="item.unknown",
            project=project_id,
        )
    return [found[item_id] for item_id in sorted(found)]


def _grouped(item: ItemRow) -> int:
    if item.group_id is None:
        raise BadRequest(
            f"Item {item.id} has no group yet, because it is not embedded. Run `paploop ingest` or `paploop "
            "rank` first.",
            code="item.no_group",
            item=item.id,
        )
    return item.group_id
