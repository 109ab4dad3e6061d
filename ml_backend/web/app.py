"""The Flask application: all routes, and every error as a JSON message."""

from __future__ import annotations

import logging
import uuid
from collections.abc import Mapping

from flask import Flask, Response, jsonify, redirect, request, url_for
from werkzeug.exceptions import HTTPException, MethodNotAllowed, NotFound, RequestEntityTooLarge
from werkzeug.routing import IntegerConverter, Map
from werkzeug.wrappers import Response as BaseResponse

from ml_backend.errors import Overloaded, PapLoopError, Unauthorized
from ml_backend.label_studio.numbers import MAX_ID
from ml_backend.predictions.unanswered import Unanswered
from ml_backend.services import Services
from ml_backend.web.api import api
from ml_backend.web.auth import challenge, guard
from ml_backend.web.dashboard import dashboard
from ml_backend.web.inbox import Inbox
from ml_backend.web.media import media
from ml_backend.web.metrics import Metrics
from ml_backend.web.protocol import protocol
from ml_backend.web.server.requests import too_large
from ml_backend.web.serving import serving_of

log = logging.getLogger(__name__)


class RowNumber(IntegerConverter):
    """A number in a URL that fits a database column; a larger one is not found."""

    def __init__(self, url_map: Map) -> None:
        super().__init__(url_map, min=1, max=MAX_ID)


def create_app(services: Services) -> Flask:
    """The web application over one set of services; loads no model."""
    app = Flask(__name__, static_folder=None)
    app.url_map.converters["int"] = RowNumber
    app.config["MAX_CONTENT_LENGTH"] = services.settings.max_request_bytes
    app.json.sort_keys = False  # type: ignore[attr-defined]  # the default provider has it, its base class does not
    inbox = Inbox(services.store, services.files, services.clock)
    unanswered = Unanswered(services.clock)
    metrics = Metrics(services.store, inbox, unanswered)
    metrics.watch(app)
    guard(app, services.settings)
    app.register_blueprint(protocol(services.store, serving_of(services, unanswered=unanswered), inbox, metrics))
    app.register_blueprint(api(services), url_prefix="/api")
    app.register_blueprint(media(services.store, services.files, services.settings, services.clock))
    app.register_blueprint(dashboard(services, unanswered), url_prefix="/dashboard")
    app.extensions["paploop-inbox"] = inbox

    @app.get("/metrics")
    def scrape() -> Response:
        return metrics.page()

    @app.get("/")
    def index() -> BaseResponse:
        return redirect(url_for("dashboard.index"))

    _answer_errors(app, services.settings.max_request_bytes)
    inbox.start()
    return app


def _answer_errors(app: Flask, max_bytes: int) -> None:
    @app.errorhandler(PapLoopError)
    def known(error: PapLoopError) -> BaseResponse:
        if error.status >= 500:
            log.warning("%s %s: %s", request.method, request.path, error)
        response = _sentence(str(error), error.status, error.code, error.data)
        if isinstance(error, Unauthorized):
            challenge(response)
        if isinstance(error, Overloaded):
            response.headers["Retry-After"] = str(error.retry_after)
        return response

    @app.errorhandler(HTTPException)
    def http(error: HTTPException) -> BaseResponse:
        if error.code is not None and 300 <= error.code < 400:
            return error.get_response()
        response = _sentence(_http_sentence(error, max_bytes), error.code or 500, _http_code(error))
        if isinstance(error, MethodNotAllowed) and error.valid_methods:
            response.headers["Allow"] = ", ".join(error.valid_methods)
        return response

    @app.errorhandler(Exception)
    def unknown(error: Exception) -> BaseResponse:
        mark = uuid.uuid4().hex[:8]
        log.exception("unexpected error %s in %s %s", mark, request.method, request.path)
        sentence = f"PapLoop had an unexpected {type(error).__name__}. Look for {mark} in its log and report it."
        return _sentence(sentence, 500, "unexpected", {"mark": mark})


def _sentence(text: str, status: int, code: str, data: Mapping[str, object] | None = None) -> Response:
    response = jsonify(error=text, code=code, data=dict(data or {}))
    response.status_code = status
    return response


def _http_code(error: HTTPException) -> str:
    if isinstance(error, NotFound):
        return "http.unknown_address"
    if isinstance(error, MethodNotAllowed):
        return "http.wrong_method"
    return "http.too_large" if isinstance(error, RequestEntityTooLarge) else "http.refused"


def _http_sentence(error: HTTPException, max_bytes: int) -> str:
    if isinstance(error, MethodNotAllowed):
        methods = " or ".join(sorted(set(error.valid_methods or ()) - {"HEAD", "OPTIONS"}))
        return f"{request.path} does not accept {request.method}; use {methods or 'another method'}."
    if isinstance(error, NotFound):
        return f"There is no page at {request.path}. docs/api.md lists all addresses; the dashboard is at /dashboard/."
    if isinstance(error, RequestEntityTooLarge):
        return too_large(max_bytes)
    return str(error.description or error.name)
