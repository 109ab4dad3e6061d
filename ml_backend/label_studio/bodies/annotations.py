"""An annotation as Label Studio sends it -> the row that we keep."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ml_backend.errors import BadRequest
from ml_backend.label_studio.numbers import identifier, identifier_of, seconds
from ml_backend.label_studio.regions import Result
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


def results_in(body: Body) -> Sequence[Result]:
    """The results of an annotation or a prediction."""
    return body.get("result") or []


def author_of(annotation: Body) -> object:
    """Number of who made it; Label Studio sends it alone or in an object."""
    author = annotation.get("completed_by")
    return author.get("id") if isinstance(author, Mapping) else author


def is_untouched(annotation: Body) -> bool:
    """Whether no person had to do with it: the editor notes the time that a person took."""
    return not any(annotation.get(name) for name in ("lead_time", "was_cancelled", "ground_truth"))


def _shown(value: object) -> str:
    number = value.get("id") if isinstance(value, Mapping) else value
    return "none" if number is None else repr(number)[:40]
