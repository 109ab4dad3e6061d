"""An annotation as Label Studio sends it -> the row that we keep."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ml_backend.errors import BadRequest
from ml_backend.label_studio.numbers import identifier, identifier_of, seconds
from ml_backend.state.records import AnnotationRow

Body = Mapping[str, Any]


def annotation_row(project_id: int, annotation: Body) -> AnnotationRow:
    """An annotation as Label Studio sends it -> the row we keep; an odd detail is left out, the label is kept.

    Raises:
        BadRequest: its own number or that of its task is missing or no number that Label Studio gives.
    """
    task = annotation.get("task")
    number = identifier(annotation.get("id"))
    task_id = identifier_of(task)
    if number is None or task_id is None:
        raise BadRequest(
            f"An annotation arrived with the number {_shown(annotation.get('id'))} for the task "
            f"{_shown(task)}, which Label Studio cannot have assigned. A poll fetches the current annotations."
        )
    result = annotation.get("result")
    return AnnotationRow(
        id=number,
        project_id=project_id,
        task_id=task_id,
        completed_by=identifier_of(annotation.get("completed_by")),
        result=list(result) if isinstance(result, list) else [],
        was_cancelled=bool(annotation.get("was_cancelled")),
        ground_truth=bool(annotation.get("ground_truth")),
        lead_time=seconds(annotation.get("lead_time")),
        parent_prediction=identifier(annotation.get("parent_prediction")),
        updated_at=str(annotation.get("updated_at") or "")[:40],
    )


def _shown(value: object) -> str:
    number = value.get("id") if isinstance(value, Mapping) else value
    return "none" if number is None else repr(number)[:40]
