"""Finds files that were moved or restored elsewhere by content, never by name or place."""

from __future__ import annotations

from collections.abc import MutableMapping, Sequence
from pathlib import Path

from ml_backend.images.items import is_local
from ml_backend.state.records import ItemChange, ItemRow
from ml_backend.state.store import Store
from training.data.images import content_hash
from training.types import Progress


def reattach(
    store: Store,
    project_id: int,
    root: Path,
    fresh: Sequence[Path],
    progress: Progress,
    hashes: MutableMapping[Path, str],
) -> dict[str, int]:
    """Point images whose file is gone to a file of equal content; tasks, labels, groups and sides stay theirs.

    Args:
        store: the database.
        project_id: Label Studio's project id.
        root: folder that is taken in.
        fresh: its files that no image of the project names.
        progress: called with the progress.
        hashes: takes the content hash of each file that was read, so that none is read twice.

    Returns:
        New source -> item id of the images that were found again.
    """
    lost = _lost(store, project_id) if fresh else {}
    found: dict[str, int] = {}
    changes: list[ItemChange] = []
    for number, path in enumerate(fresh if lost else (), 1):
        try:
            hashes[path] = content_hash(path)
        except OSError:
            continue
        if waiting := lost.get(hashes[path]):
            item = waiting.pop(0)
            place = {"root": str(root), "name": path.relative_to(root).as_posix()}
            change: ItemChange = {"id": item.id, "source": str(path), "data": {**item.data, **place}}
            if item.state == "unreadable":
                change["state"], change["reason"] = "new", ""
            changes.append(change)
            found[str(path)] = item.id
        progress(number / len(fresh), f"{len(found)} found again")
    store.items.update(changes)
    progress(1.0, "")
    return found


def _lost(store: Store, project_id: int) -> dict[str, list[ItemRow]]:
    """Content hash -> images whose file is not where it was, oldest first."""
    lost: dict[str, list[ItemRow]] = {}
    for item in _without_file(store, project_id):
        if item.content_hash:
            lost.setdefault(item.content_hash, []).append(item)
    return lost


def _without_file(store: Store, project_id: int) -> list[ItemRow]:
    known = store.items.all(project_id, states=("new", "ready", "unreadable"))
    return [item for item in known if is_local(item) and not Path(item.source).is_file()]


def missing_files(store: Store) -> list[str]:
    """One message for each project with images that are no longer in their place."""
    said = []
    for project in store.projects.all():
        missing = _without_file(store, project.id)
        if missing:
            one = len(missing) == 1
            where = (
                ("image of project {} is no longer in its place")
                if one
                else ("images of project {} are no longer in their place")
            )
            said.append(
                f"{len(missing)} {where.format(project.id)}, for example {missing[0].source}. `paploop ingest "
                f"FOLDER --project {project.id}` with their new folder finds them by content."
            )
    return said
