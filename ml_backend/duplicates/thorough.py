"""The full search over a project's images: finds and merges what the quick one at ingest did not propose."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from ml_backend.duplicates.regroup import APART, groups_lock, groups_of, merge_groups
from ml_backend.duplicates.report import Group
from ml_backend.duplicates.search import TOO_FEW, Plan, compare_files
from ml_backend.errors import BadRequest, ImageError
from ml_backend.images.files import ImageFiles
from ml_backend.progress import Stage
from ml_backend.state.files import DataDir
from ml_backend.state.records import ItemRow
from ml_backend.state.store import Store
from strategies.near_duplicates.verification.pairs import Rules

ROOT = Path("/")


def search_project(
    store: Store, files: DataDir, images: ImageFiles, project_id: int, stage: Stage, threads: int = 2
) -> list[int]:
    """Compare all images of a project by local features and pixels, and merge groups that show the same specimen.

    Returns:
        The ids of the groups that grew.

    Raises:
        BadRequest: fewer than two images are embedded.
    """
    items = {}
    for item in store.items.all(project_id, states=("ready",)):
        if item.group_id is not None:
            try:
                items[images.of(item).resolve()] = item
            except ImageError:
                continue
    if len(items) < 2:
        raise BadRequest(TOO_FEW)
    settings = store.projects.settings(project_id)
    plan = Plan(Rules(share=settings.duplicate_share), threads=threads, join_copies=True)
    report = compare_files(sorted(items), ROOT, plan, stage)
    with files.lock(groups_lock(project_id)):
        merged = [_merge(store, project_id, group, items) for group in report.groups]
    return sorted({group for group in merged if group is not None})


def _merge(store: Store, project_id: int, group: Group, items: Mapping[Path, ItemRow]) -> int | None:
    """One found group; images that a lead split off, and the groups they lead, stay as they are."""
    ids = [items[ROOT / path].id for path in group.paths]
    present = store.items.by_id(project_id, ids).values()
    groups = groups_of(store.items.all(project_id))
    free = [i.id for i in present if not any(m.meta.get(APART) for m in groups[i.group_id or i.id])]
    if len({item.group_id for item in present if item.id in free}) < 2:
        return None
    return merge_groups(store, project_id, free)
