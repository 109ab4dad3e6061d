"""Label Studio's ML backend protocol: /health /setup /predict /webhook /versions.

Nothing here waits for a model: /health and /setup never touch weights, a webhook is kept and acknowledged, and /predict
answers from stored predictions unless a task is new.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping

from flask import Blueprint, Response, current_app, jsonify, request

from ml_backend.errors import BadRequest
from ml_backend.label_studio.numbers import project_number
from ml_backend.predictions.serving import Serving, known_project, version_of
from ml_backend.state.rows.projects import ProjectRows
from ml_backend.state.store import Store
from ml_backend.web.bodies import json_object
from ml_backend.web.inbox import Inbox
from ml_backend.web.metrics import Metrics
from ml_backend.web.redaction import ACTIONS, event_action, redact, says_nothing

log = logging.getLogger(__name__)

MODEL_CLASS = "PapLoop"
MAX_TASKS = 10_000


def protocol(store: Store, serving: Serving, inbox: Inbox, metrics: Metrics) -> Blueprint:
    """The routes that Label Studio calls."""
    routes = Blueprint("protocol", __name__)

    @routes.get("/health")
    def health() -> Response:
        return jsonify(status="UP", model_class=MODEL_CLASS)

    @routes.post("/setup")
    def setup() -> Response:
        body = json_object(request)
        number = _project(store.projects, body, "schema")
        return jsonify(model_version=version_of(known_project(store.projects, number) if number is not None else None))

    @routes.post("/predict")
    def predict() -> Response:
        body = json_object(request)
        results = serving.predict(
            _project(store.projects, body, "label_config"),
            _tasks(body.get("tasks")),
            label_config=_text(body.get("label_config")),
            interactive=_is_interactive(body),
            context=_context(body),
        )
        return jsonify(results=results)

    @routes.post("/webhook")
    def webhook() -> tuple[Response, int]:
        body = json_object(request)
        action = event_action(body)
        if action not in ACTIONS or says_nothing(body):
            why = "is not used by PapLoop" if action not in ACTIONS else "names no task or annotation"
            log.info("webhook %s %s", current_app.json.dumps(action), why)
            metrics.ignored.labels("unknown" if action not in ACTIONS else "bare").inc()
            return jsonify(result="ignored", job=None), 201
        kept = redact(body)
        return jsonify(result="ok", job=inbox.add(project_number(kept["project"]), kept)), 201

    @routes.get("/versions")
    def versions() -> Response:
        return jsonify(versions=model_versions(store))

    return routes


def model_versions(store: Store) -> list[str]:
    """Versions of all projects that may still be in use, newest first; Label Studio names no project here."""
    rows = [
        row for project in store.projects.all() for row in store.rankings.all(project.id, states=("active", "retired"))
    ]
    return [row.version for row in sorted(rows, key=lambda row: row.id, reverse=True)]


def _project(projects: ProjectRows, body: Mapping[str, object], config_name: str) -> int | None:
    """The project of an ML call; without its number the one connected project of that labeling config, if one is.

    Raises:
        BadRequest: a project is named, and it is not a project's number.
    """
    if body.get("project") is not None:
        return project_number(body["project"])
    config = " ".join(_text(body.get(config_name)).split())
    alike = [row.id for row in projects.all() if config and " ".join(row.label_config.split()) == config]
    if len(alike) == 1:
        return alike[0]
    log.info("an ML call names no project, and %d connected projects have its labeling config", len(alike))
    return None


def _tasks(value: object) -> list[object]:
    if isinstance(value, dict):
        value = [value]
    if not isinstance(value, list):
        raise BadRequest(
            "'tasks' must be a list of Label Studio tasks; send the tasks to predict.", code="request.no_tasks"
        )
    if len(value) > MAX_TASKS:
        raise BadRequest(
            f"{len(value)} tasks are too many for one call; send at most {MAX_TASKS} at a time.",
            code="request.too_many_tasks",
        )
    return value


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def _context(body: Mapping[str, object]) -> object:
    """What the expert drew with a smart tool; None in every other call."""
    params = body.get("params")
    return params.get("context") if isinstance(params, dict) else None


def _is_interactive(body: Mapping[str, object]) -> bool:
    """Whether the editor waits for an answer: it sends a context, and tasks with their drafts."""
    if _context(body) is not None:
        return True
    tasks = body.get("tasks")
    return isinstance(tasks, list) and len(tasks) == 1 and isinstance(tasks[0], dict) and "drafts" in tasks[0]
