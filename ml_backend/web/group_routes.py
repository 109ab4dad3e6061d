"""Duplicate groups in the JSON API: list, conflicts, merge, split."""

from __future__ import annotations

from flask import Blueprint, Response, jsonify, request

from ml_backend.duplicates.regroup import correct
from ml_backend.duplicates.review import conflict_list, group_list
from ml_backend.errors import BadRequest
from ml_backend.label_studio.numbers import identifier
from ml_backend.services import Services
from ml_backend.web.bodies import json_object


def group_routes(routes: Blueprint, services: Services) -> None:
    """Add the routes to the API."""

    @routes.get("/projects/<int:project_id>/groups")
    def groups(project_id: int) -> Response:
        services.store.projects.one(project_id)
        return jsonify(groups=group_list(services.store, project_id))

    @routes.get("/projects/<int:project_id>/groups/conflicts")
    def conflicts(project_id: int) -> Response:
        services.store.projects.one(project_id)
        return jsonify(conflicts=conflict_list(services.store, project_id))

    @routes.post("/projects/<int:project_id>/groups/merge")
    def merge(project_id: int) -> Response:
        services.store.projects.one(project_id)
        return jsonify(group=correct(services.store, services.files, project_id, merge=_items()))

    @routes.post("/projects/<int:project_id>/groups/split")
    def split(project_id: int) -> Response:
        services.store.projects.one(project_id)
        return jsonify(group=correct(services.store, services.files, project_id, split=_items()))


def _items() -> list[int]:
    given = json_object(request).get("items")
    numbers = [identifier(value) for value in given] if isinstance(given, list) else []
    items = [number for number in numbers if number is not None]
    if not items or len(items) != len(numbers):
        raise BadRequest('Name the items by number, for example {"items": [12, 40]}.', code="request.no_items")
    return items
