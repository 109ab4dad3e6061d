"""Bodies of the fake Label Studio: errors as the real one words them, listings with filters and paging."""

from __future__ import annotations

import json
import uuid
from typing import Any

from flask import Response, jsonify

from tests.fakes.label_studio_state import Row


class Refused(Exception):
    """An answer that is no success."""

    def __init__(self, status: int, detail: str, errors: Any = None) -> None:
        super().__init__(detail)
        self.status = status
        self.body = {
            "id": str(uuid.uuid4()),
            "status_code": status,
            "version": "1.23.2",
            "detail": detail,
            "exc_info": None,
        }
        if errors is not None:
            self.body["validation_errors"] = errors

    def response(self) -> Response:
        answer = jsonify(self.body)
        answer.status_code = self.status
        return answer


def invalid(errors: Any) -> Refused:
    """A 400 with validation errors."""
    return Refused(400, "Validation error", errors if isinstance(errors, dict) else {"non_field_errors": errors})


def missing(model: str) -> Refused:
    """A 404 of Django's kind."""
    return Refused(404, f"No {model} matches the given query.")


def _holds(task: Row, condition: Row) -> bool:
    column = condition["filter"].removeprefix("filter:tasks:")
    operator, value = condition["operator"], condition["value"]
    have = task.get(column)
    if column == "updated_at" and "." not in str(value):
        raise Refused(500, f"time data '{value}' does not match format '%Y-%m-%dT%H:%M:%S.%fZ'")
    if column == "updated_at":
        have = have if "." in str(have) else str(have).replace("Z", ".000000Z")
    if operator == "greater":
        return bool(have > value)
    if operator == "less":
        return bool(have < value)
    if operator == "in_list":
        return have in value
    if operator == "equal":
        return bool(have == value)
    if operator == "contains":
        wanted = value if isinstance(value, list) else [value]
        return any(str(entry) in str(have) for entry in wanted)
    raise Refused(400, f"unknown operator {operator}")


def select(tasks: list[Row], query: str) -> list[Row]:
    """Filter and order whole task views as the data manager does."""
    asked = json.loads(query) if query else {}
    items = (asked.get("filters") or {}).get("items", [])
    chosen = [task for task in tasks if all(_holds(task, item) for item in items)]
    ordering = (asked.get("ordering") or ["tasks:id"])[0]
    column = ordering.removeprefix("-").removeprefix("tasks:")
    return sorted(chosen, key=lambda task: (task[column], task["id"]), reverse=ordering.startswith("-"))


def _lean(value: Any, fields: set[str]) -> Any:
    """`include` works on nested annotations and predictions too."""
    if isinstance(value, list):
        return [_lean(entry, fields) for entry in value]
    return {key: entry for key, entry in value.items() if key in fields}


def page(tasks: list[Row], args: Any) -> Row:
    """One page of task views."""
    number, size = int(args.get("page", 1)), int(args.get("page_size", 100))
    part = tasks[(number - 1) * size : number * size]
    if number > 1 and not part:
        raise Refused(404, "Invalid page.")
    whole = args.get("fields") == "all"
    include = set(args["include"].split(",")) if "include" in args else None
    rows = []
    for task in part:
        row = dict(task)
        if not whole:
            row |= {"annotations": [], "predictions": []}
        if include is not None:
            row = {key: value for key, value in row.items() if key in include}
            for nested in ("annotations", "predictions"):
                if nested in row:
                    row[nested] = _lean(row[nested], include)
            if not whole:
                row.pop("annotations", None)
        rows.append(row)
    return {
        "total": len(tasks),
        "total_annotations": sum(task["total_annotations"] for task in tasks),
        "total_predictions": sum(task["total_predictions"] for task in tasks),
        "tasks": rows,
    }
