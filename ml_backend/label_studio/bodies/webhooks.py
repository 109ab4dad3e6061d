"""What the body of a webhook speaks of: annotations and tasks, each one object or a list of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from ml_backend.label_studio.bodies.annotations import Body
from ml_backend.label_studio.numbers import identifier

ACTIONS: Final[Mapping[str, str]] = {
    "ANNOTATION_CREATED": "annotation",
    "ANNOTATION_UPDATED": "annotation",
    "ANNOTATIONS_CREATED": "annotation",
    "ANNOTATIONS_DELETED": "annotations",
    "TASKS_CREATED": "tasks",
    "TASKS_DELETED": "tasks",
    "PROJECT_UPDATED": "",
}
"""The events that PapLoop's webhook asks for, with the field of the body that says what each is about; every event
names its project, so that one about the project needs no other."""

START_TRAINING: Final = "START_TRAINING"
"""What Label Studio sends to the ML backend when somebody presses "Start Training"; no webhook asks for it."""


def saved_annotations(body: Body) -> list[Body]:
    """Annotations that were made or changed, each with its task: in a batch they are paired by position."""
    tasks, annotations = tasks_of_annotations(body), []
    for position, annotation in enumerate(_objects(body.get("annotation"))):
        if annotation.get("task") is None and position < len(tasks):
            annotation = {**annotation, "task": tasks[position].get("id")}
        annotations.append(annotation)
    return annotations


def tasks_of_annotations(body: Body) -> list[Body]:
    """The tasks of annotations that were made or changed."""
    return _objects(body.get("task"))


def deleted_annotations(body: Body) -> list[int]:
    """Numbers of annotations that are gone."""
    return _numbers(body.get("annotations"))


def created_tasks(body: Body) -> list[Body]:
    """Tasks that are new."""
    return _objects(body.get("tasks"))


def deleted_tasks(body: Body) -> list[int]:
    """Numbers of tasks that are gone."""
    return _numbers(body.get("tasks"))


def come_annotated(tasks: list[Body]) -> bool:
    """Whether some task was imported with annotations, which no webhook brings."""
    return any(task.get("total_annotations") for task in tasks)


def _objects(value: object) -> list[Body]:
    values = value if isinstance(value, list) else [value]
    return [entry for entry in values if isinstance(entry, Mapping)]


def _numbers(value: object) -> list[int]:
    return [number for entry in _objects(value) if (number := identifier(entry.get("id"))) is not None]
