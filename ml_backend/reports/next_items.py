"""The head of an order as a lead reads it: what annotators see next, and why."""

from __future__ import annotations

from typing import TypedDict

from ml_backend.images.items import display_name, is_local
from ml_backend.images.media_url import media_url
from ml_backend.settings import Settings
from ml_backend.state.records import ItemRow
from ml_backend.state.store import Store


class RankedItem(TypedDict):
    """An image at its place; `image` is where a browser finds it, empty when only Label Studio has it."""

    position: int
    item: int
    task: int | None
    name: str
    score: float
    utility: float
    why: str
    image: str


def next_items(store: Store, settings: Settings, project_id: int, limit: int) -> list[RankedItem]:
    """The head of the active order: what annotators see next, and why.

    Args:
        store: the database.
        settings: where PapLoop's own images are served.
        project_id: Label Studio's project id.
        limit: at most this many.
    """
    ranking = store.rankings.active(project_id)
    if ranking is None:
        return []
    return ranked_items(store, settings, project_id, ranking.id, limit, skip_labelled=True)


def ranked_items(
    store: Store, settings: Settings, project_id: int, ranking_id: int, limit: int, *, skip_labelled: bool = False
) -> list[RankedItem]:
    """Items of one ranking in order, with position, utility and the reason for their place."""
    touched = {row.task_id for row in store.labels.all(project_id)} if skip_labelled else set()
    rows: list[RankedItem] = []
    # Twice the limit is read first, since annotators have usually finished only the head of the order.
    for window in (2 * limit, None):
        entries = store.rankings.entries(ranking_id, limit=window)
        items = store.items.by_id(project_id, [entry.item_id for entry in entries])
        known = [(entry, items[entry.item_id]) for entry in entries if entry.item_id in items]
        rows = [
            {
                "position": entry.position,
                "item": item.id,
                "task": item.task_id,
                "name": display_name(item),
                "score": entry.score,
                "utility": entry.utility,
                "why": entry.why,
                "image": image_address(settings, item),
            }
            for entry, item in known
            if item.task_id not in touched
        ]
        if len(rows) >= limit or window is None or len(entries) < window:
            break
    return rows[:limit]


def image_address(settings: Settings, item: ItemRow) -> str:
    """Where a browser finds an item's image, empty when only Label Studio has it."""
    return media_url(settings, item.project_id, item.id, display_name(item)) if is_local(item) else ""
