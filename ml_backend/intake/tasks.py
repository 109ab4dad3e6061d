"""Label Studio's tasks -> items: ours are matched, others become new items that the next run embeds."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from ml_backend.errors import LabelConfigError
from ml_backend.images.items import task_image, task_source
from ml_backend.images.media_url import item_of_url
from ml_backend.label_studio.bodies.tasks import numbered
from ml_backend.label_studio.config import LabelingJob, parse_label_config
from ml_backend.labels.rule import rule_of
from ml_backend.settings import Settings
from ml_backend.state.records import NewItem
from ml_backend.state.store import Store


def _job(store: Store, project_id: int) -> LabelingJob | None:
    try:
        return parse_label_config(store.projects.one(project_id).label_config)
    except LabelConfigError:
        return None


def empty_says(store: Store, project_id: int) -> bool:
    """Whether an annotation without regions says something in a project, such as that there are no objects."""
    job = _job(store, project_id)
    return job is not None and rule_of(job).empty_says


def _foreign(task_id: int, image: str) -> NewItem:
    return NewItem(source=task_source(task_id), task_id=task_id, data={"image": image}, state="new")


def remember_tasks(
    store: Store,
    settings: Settings,
    project_id: int,
    found: Iterable[Mapping[str, object]],
    now: float,
    *,
    listed: bool = False,
) -> int:
    """Record which task shows which item; unknown images become new items.

    Args:
        store: the database.
        settings: tell PapLoop's own image addresses.
        project_id: Label Studio's project id.
        found: task objects with `id` and `data`.
        now: unix seconds.
        listed: Label Studio has just listed them, so they exist. A webhook may be late or come twice: it brings no
            deleted task back.

    Returns:
        How many tasks were not known before.
    """
    job = _job(store, project_id)
    key = "image" if job is None else job.data_key
    tasks = [(number, task_image(data, key)) for number, data in numbered(found)]
    known = store.items.by_task(project_id, [task_id for task_id, _ in tasks])
    ours: dict[int, int] = {}
    foreign: list[NewItem] = []
    for task_id, image in tasks:
        if task_id in known:
            continue
        item_id = item_of_url(settings, project_id, image)
        if item_id is not None and item_id not in ours:
            ours[item_id] = task_id
        else:
            foreign.append(_foreign(task_id, image))
    taken = store.items.by_id(project_id, list(ours))
    deleted = [item for item in taken.values() if item.state == "deleted"]
    if listed:
        store.items.update(
            [{"id": i.id, "reason": "", "state": "new" if i.vector_row is None else "ready"} for i in deleted]
        )
    else:
        ours = {
            item_id: task_id
            for item_id, task_id in ours.items()
            if item_id not in taken or taken[item_id].state != "deleted"
        }
    fresh = {item_id: task_id for item_id, task_id in ours.items() if item_id in taken and not taken[item_id].task_id}
    store.items.set_tasks(project_id, fresh)
    images = dict(tasks)
    for item_id, task_id in ours.items():
        if item_id not in fresh:
            foreign.append(_foreign(task_id, images[task_id]))
    if foreign:
        store.items.add(project_id, foreign, now)
    return len(ours) + len(foreign)
