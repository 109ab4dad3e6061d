"""Effort and thresholds in the JSON API."""

from __future__ import annotations

from flask import Blueprint, Response, jsonify

from ml_backend.effort.report import effort_report
from ml_backend.predictions.thresholds import limits_shown
from ml_backend.services import Services


def effort_routes(routes: Blueprint, services: Services) -> None:
    """Add the routes to the API."""

    @routes.get("/projects/<int:project_id>/effort")
    def effort(project_id: int) -> Response:
        report = effort_report(services.store, project_id)
        limits = limits_shown(services.store, project_id)
        return jsonify({**report.as_dict(), "thresholds": limits.as_dict() if limits is not None else None})
