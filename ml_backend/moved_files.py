"""Files that were moved or restored elsewhere: their images are found again by content, never by name or place."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ml_backend.items import is_local
from ml_backend.services import Services
from ml_backend.state.records import ItemRow
from training.data.images import content_hash
from training.types import Progress


def reattach(
    services: Services, project_id: int, root: Path, fresh: Sequence[Path], progress: Progress
) -> dict[str, int]:
    """Point images whose file is gone to a file of equal content; tasks, labels, groups and sides stay theirs.

    Args:
        services: the parts of the process.
        project_id: Label Studio's project id.
        root: folder that is taken in.
        fresh: its files that no image of the project names.
        progress: told how far it is.

    Returns:
        New source -> item id of the images that were found again.
    """
    lost = _lost(services, project_id) if fresh else {}
    found: dict[str, int] = {}
    changes = []
    for number, path in enumerate(fresh if lost else (), 1):
        try:
            waiting = lost.get(content_hash(path))
        except OSError:
            continue
        if waiting:
            item = waiting.pop(0)
            place = {"root": str(root), "name": path.relative_to(root).as_posix()}
            revived = {"state": "new", "reason": ""} if item.state == "unreadable" else {}
            changes.append({"id": item.id, "source": str(path), "data": {**item.data, **place}, **revived})
            found[str(path)] = item.id
        progress(number / len(fresh), f"{len(found)} found again")
    services.store.update_items(changes)
    progress(1.0, "")
    return found


def _lost(services: Services, project_id: int) -> dict[str, list[ItemRow]]:
    """Content hash -> images whose file is not where it was, oldest first."""
    lost: dict[str, list[ItemRow]] = {}
    for item in services.store.items(project_id, states=("new", "ready", "unreadable")):
        if item.content_hash and is_local(item) and not Path(item.source).is_file():
            lost.setdefault(item.content_hash, []).append(item)
    return lost
