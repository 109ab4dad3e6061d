"""A webhook body -> what the worker needs of it: no tokens, no passwords, no data about people."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from ml_backend.errors import BadRequest
from ml_backend.label_studio.bodies.webhooks import ACTIONS as WEBHOOK
from ml_backend.label_studio.bodies.webhooks import START_TRAINING
from ml_backend.label_studio.numbers import identifier, identifier_of, project_number, seconds

ACTIONS = frozenset({*WEBHOOK, START_TRAINING})
"""Actions that mean something to the worker; others are acknowledged and forgotten."""

PROJECT_FIELDS = (
    "id",
    "title",
    "label_config",
    "task_number",
    "total_annotations_number",
    "skipped_annotations_number",
    "ground_truth_number",
    "updated_at",
)
ANNOTATION_FIELDS = (
    "id",
    "task",
    "completed_by",
    "result",
    "was_cancelled",
    "ground_truth",
    "lead_time",
    "parent_prediction",
    "created_at",
    "updated_at",
)
TASK_FIELDS = ("id", "total_annotations", "cancelled_annotations", "updated_at")
MAX_DATA_VALUE = 8192
"""Longest string of a task's data that is kept, characters; image addresses are shorter."""


def event_action(body: Mapping[str, object]) -> str:
    """The action of a webhook body.

    Raises:
        BadRequest: there is none.
    """
    action = body.get("action")
    if not isinstance(action, str) or not action or len(action) > 60:
        raise BadRequest(
            "The webhook has no 'action'. Send Label Studio's body unchanged.",
            code="event.no_action",
        )
    return action


def says_nothing(body: Mapping[str, object]) -> bool:
    """Whether an event names no task or annotation, as the bare events of test programs do; there is nothing to
    apply."""
    needed = WEBHOOK.get(event_action(body), "")
    return needed != "" and body.get(needed) is None


def redact(body: Mapping[str, object]) -> dict[str, object]:
    """Keep what the worker needs.

    Args:
        body: as Label Studio sends it. `annotation` and `task` may each be an object or a list of objects.

    Returns:
        A new body of the same shape, without the project's token, storage passwords and everything unknown.

    Raises:
        BadRequest: no project, or what the action is about is not an object.
    """
    action = event_action(body)
    kept: dict[str, object] = {"action": action, "project": _project(body.get("project"))}
    needed = WEBHOOK.get(action)
    if needed and not isinstance(body.get(needed), dict | list):
        raise BadRequest(
            f"'{needed}' in the webhook {action} is not an object. Send Label Studio's body unchanged.",
            code="event.incomplete",
            action=action,
        )
    for name, keep in (("annotation", _annotation), ("annotations", _annotation), ("task", _task), ("tasks", _task)):
        value = body.get(name)
        if isinstance(value, list):
            kept[name] = _each(value, keep)
        elif isinstance(value, Mapping):
            kept[name] = keep(value)
    return kept


def _each(
    values: Iterable[object], keep: Callable[[Mapping[str, object]], dict[str, object]]
) -> list[dict[str, object]]:
    # An entry without an id keeps its place, since annotations and tasks of a batch are paired by position.
    return [keep(value) if isinstance(value, Mapping) else {} for value in values]


def _pick(value: Mapping[str, object], fields: Iterable[str]) -> dict[str, object]:
    picked = {name: value[name] for name in fields if name in value}
    if "id" in picked and identifier(picked["id"]) is None:
        del picked["id"]
    return picked


def _project(value: object) -> dict[str, object]:
    project = value if isinstance(value, Mapping) else {}
    kept: dict[str, object] = {**_pick(project, PROJECT_FIELDS), "id": project_number(value)}
    return {name: entry for name, entry in kept.items() if isinstance(entry, str | int)}


def _annotation(value: Mapping[str, object]) -> dict[str, object]:
    """The fields of an annotation, each of the type its column has, so that the worker cannot trip over one."""
    kept = _pick(value, ANNOTATION_FIELDS)
    for name in ("task", "completed_by", "parent_prediction"):
        if name in kept:
            kept[name] = identifier_of(kept[name])
    if "lead_time" in kept:
        kept["lead_time"] = seconds(kept["lead_time"])
    for name in ("was_cancelled", "ground_truth"):
        if name in kept:
            kept[name] = kept[name] is True
    if not isinstance(kept.get("result", []), list):
        kept["result"] = []
    for name in ("created_at", "updated_at"):
        if not isinstance(kept.get(name, ""), str):
            kept[name] = ""
    return kept


def _task(value: Mapping[str, object]) -> dict[str, object]:
    kept = _pick(value, TASK_FIELDS)
    data = value.get("data")
    if isinstance(data, Mapping):
        kept["data"] = {
            name: entry for name, entry in data.items() if isinstance(entry, str) and len(entry) <= MAX_DATA_VALUE
        }
    return kept
