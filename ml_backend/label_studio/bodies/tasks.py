"""Tasks as Label Studio sends them: in calls to `/predict`, in webhooks, and in listings."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from ml_backend.label_studio.bodies.annotations import Body
from ml_backend.label_studio.numbers import identifier


def task_number(task: object) -> int | None:
    """Label Studio's number of a task, None where it has none that can be one."""
    return identifier(task.get("id")) if isinstance(task, Mapping) else None


def task_data(task: object) -> Mapping[str, object] | None:
    """What a task shows, by key; None where it says nothing."""
    data = task.get("data") if isinstance(task, Mapping) else None
    return data if isinstance(data, Mapping) else None


def numbered(tasks: Iterable[object]) -> list[tuple[int, Mapping[str, object]]]:
    """Number and data of each task that has both."""
    return [
        (number, data)
        for task in tasks
        if (number := task_number(task)) is not None and (data := task_data(task)) is not None
    ]


def annotations_of(task: Body) -> list[Body]:
    """The annotations that a task came with, each with the task's number."""
    return [{**annotation, "task": task["id"]} for annotation in task.get("annotations") or []]
