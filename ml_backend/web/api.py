"""The JSON API for acquisition and jobs, under /api; described in docs/api.md."""

from __future__ import annotations

from typing import Final

from flask import Blueprint, Response, jsonify, request

from ml_backend.errors import BadRequest, NotFound
from ml_backend.label_studio.numbers import identifier
from ml_backend.ordering.strategy_choice import change_settings, kind_of, strategy_list
from ml_backend.reports.next_items import next_items, ranked_items
from ml_backend.reports.overview import overview
from ml_backend.reports.run_summary import run_summary
from ml_backend.runs import request_run, rollback, run_of
from ml_backend.services import Services
from ml_backend.state.records import RankingRow
from ml_backend.state.rows.projects import ProjectRows
from ml_backend.web.bodies import json_object
from ml_backend.web.effort_routes import effort_routes
from ml_backend.web.group_routes import group_routes

MAX_LIMIT = 1000

LOOKS_FOR_LOST: Final = "The worker looks for lost webhooks in its next pass."


def api(services: Services) -> Blueprint:
    """The routes below /api."""
    routes = Blueprint("api", __name__)
    _project_routes(routes, services)
    _run_routes(routes, services)
    _ranking_routes(routes, services)
    group_routes(routes, services)
    effort_routes(routes, services)
    return routes


def _project_routes(routes: Blueprint, services: Services) -> None:
    store = services.store

    @routes.get("/projects")
    def projects() -> Response:
        rows = [
            {"id": row.id, "title": row.title, "active_run": row.active_run_id, "version": row.active_version}
            for row in store.projects.all()
        ]
        return jsonify(projects=rows)

    @routes.get("/projects/<int:project_id>")
    def project(project_id: int) -> Response:
        return jsonify(overview(services.store, project_id, now=services.clock()).as_dict())

    @routes.get("/projects/<int:project_id>/settings")
    def settings(project_id: int) -> Response:
        return jsonify(store.projects.settings(project_id).model_dump(mode="json"))

    @routes.patch("/projects/<int:project_id>/settings")
    def patch_settings(project_id: int) -> Response:
        return jsonify(change_settings(store.projects, project_id, json_object(request)).model_dump(mode="json"))

    @routes.post("/projects/<int:project_id>/reconcile")
    def reconcile(project_id: int) -> tuple[Response, int]:
        ask_reconcile(store.projects, project_id)
        return jsonify(result=LOOKS_FOR_LOST), 202

    @routes.get("/strategies")
    def strategies() -> Response:
        asked = request.args.get("project", "")
        kind = (
            kind_of(services.store.projects, int(asked))
            if asked.isascii() and asked.isdigit() and len(asked) < 10
            else None
        )
        return jsonify(strategies=strategy_list(kind))


def _run_routes(routes: Blueprint, services: Services) -> None:
    store = services.store

    def started(project_id: int, kind: str, reason: str) -> tuple[Response, int]:
        run = request_run(store, project_id, kind=kind, reason=reason, now=services.clock())
        return jsonify(run_summary(run)), 202

    @routes.get("/projects/<int:project_id>/runs")
    def runs(project_id: int) -> Response:
        store.projects.one(project_id)
        return jsonify(runs=[run_summary(run) for run in store.runs.latest(project_id, limit=_limit(50))])

    @routes.get("/projects/<int:project_id>/runs/<int:run_id>")
    def run(project_id: int, run_id: int) -> Response:
        row = run_of(store.runs, project_id, run_id)
        return jsonify({**run_summary(row), "request": row.request.as_dict(), "metrics": row.metrics.as_dict()})

    @routes.post("/projects/<int:project_id>/train")
    def train(project_id: int) -> tuple[Response, int]:
        return started(project_id, "train", _reason("Requested through the API."))

    @routes.post("/projects/<int:project_id>/rank")
    def rank(project_id: int) -> tuple[Response, int]:
        return started(project_id, "rank", _reason("A new order was requested through the API."))

    @routes.post("/projects/<int:project_id>/rollback")
    def go_back(project_id: int) -> tuple[Response, int]:
        run_id = identifier(json_object(request).get("run"))
        if run_id is None:
            raise BadRequest(
                'Name the run whose model to activate, for example {"run": 12}. It must have been promoted.',
                code="request.no_run",
            )
        run = rollback(store, services.files, project_id, run_id, now=services.clock())
        return jsonify(run_summary(run)), 202


def _ranking_routes(routes: Blueprint, services: Services) -> None:
    store = services.store

    @routes.get("/projects/<int:project_id>/next")
    def following(project_id: int) -> Response:
        store.projects.one(project_id)
        return jsonify(items=next_items(services.store, services.settings, project_id, _limit(20)))

    @routes.get("/projects/<int:project_id>/rankings")
    def rankings(project_id: int) -> Response:
        store.projects.one(project_id)
        return jsonify(rankings=[_ranking(row) for row in store.rankings.all(project_id)[: _limit(50)]])

    @routes.get("/projects/<int:project_id>/rankings/<int:ranking_id>")
    def ranking(project_id: int, ranking_id: int) -> Response:
        row = store.rankings.one(ranking_id)
        if row.project_id != project_id:
            raise NotFound(
                f"Project {project_id} has no ranking {ranking_id}; list its rankings first.",
                code="ranking.unknown",
                project=project_id,
                ranking=ranking_id,
            )
        return jsonify(
            {
                **_ranking(row),
                "items": ranked_items(services.store, services.settings, project_id, ranking_id, _limit(100)),
            }
        )


def ask_reconcile(projects: ProjectRows, project_id: int) -> None:
    """Let the worker poll Label Studio in its next pass; polling takes too long for a request."""
    projects.update(project_id, reconciled_at=0.0)


def _ranking(row: RankingRow) -> dict[str, object]:
    return {
        "id": row.id,
        "version": row.version,
        "state": row.state,
        "strategy": row.strategy,
        "model_run": row.run_id,
        "opened_by": row.opened_by,
        "created_at": row.created_at,
        "provenance": row.provenance.as_dict(),
    }


def _reason(default: str) -> str:
    given = json_object(request, empty_ok=True).get("reason")
    return given.strip()[:300] if isinstance(given, str) and given.strip() else default


def _limit(default: int) -> int:
    text = request.args.get("limit", str(default))
    if not (text.isascii() and text.isdigit() and 1 <= int(text[:9]) <= MAX_LIMIT):
        raise BadRequest(
            f"'limit' must be a whole number from 1 to {MAX_LIMIT}, not {text[:40]!r}.", code="request.bad_limit"
        )
    return int(text)
