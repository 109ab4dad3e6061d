"""The whole search over a project's images: what the quick one at ingest did not propose is found and merged."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from ml_backend.duplicates.regroup import APART, groups_lock, groups_of, merge_groups
from ml_backend.duplicates.report import Group
from ml_backend.duplicates.search import TOO_FEW, Plan, compare_files
from ml_backend.errors import BadRequest, ImageError
from ml_backend.progress import Stage
from ml_backend.services import Services
from ml_backend.state.records import ItemRow
from strategies.near_duplicates.verification.pairs import Rules

ROOT = Path("/")


def search_project(services: Services, project_id: int, stage: Stage) -> list[int]:
    """Compare all images of a project by local features and pixels, and merge the groups of those that show the same.

    Returns:
        The ids of the groups that grew.

    Raises:
        BadRequest: fewer than two images are embedded.
    """
    items = {}
    for item in services.store.items.all(project_id, states=("ready",)):
        if item.group_id is not None:
            try:
                items[services.image_path(item).resolve()] = item
            except ImageError:
                continue
    if len(items) < 2:
        raise BadRequest(TOO_FEW)
    settings = services.store.projects.settings(project_id)
    plan = Plan(Rules(share=settings.duplicate_share), threads=services.threads, join_copies=True)
    report = compare_files(sorted(items), ROOT, plan, stage)
    with services.files.lock(groups_lock(project_id)):
        merged = [_merge(services, project_id, group, items) for group in report.groups]
    return sorted({group for group in merged if group is not None})


def _merge(services: Services, project_id: int, group: Group, items: Mapping[Path, ItemRow]) -> int | None:
    """One found group; images that a lead split off, and the groups they lead, stay as they are."""
    ids = [items[ROOT / path].id for path in group.paths]
    present = services.store.items.by_id(project_id, ids).values()
    groups = groups_of(services.store.items.all(project_id))
    free = [i.id for i in present if not any(m.meta.get(APART) for m in groups[i.group_id or i.id])]
    if len({item.group_id for item in present if item.id in free}) < 2:
        return None
    return merge_groups(services.store, project_id, free)
