"""The dashboard's routes: pages are read, forms are checked, done, and redirected from."""

from __future__ import annotations

from collections.abc import Callable

from flask import Blueprint, Response, make_response, redirect, render_template, request, url_for
from werkzeug.exceptions import HTTPException
from werkzeug.wrappers import Response as BaseResponse

from ml_backend.errors import BadRequest, PapLoopError, Unauthorized
from ml_backend.label_studio.numbers import identifier
from ml_backend.ordering.strategy_choice import change_settings
from ml_backend.predictions.unanswered import Unanswered
from ml_backend.runs import request_run, rollback
from ml_backend.services import Services
from ml_backend.times import utc_minute
from ml_backend.web.api import LOOKS_FOR_LOST, ask_reconcile
from ml_backend.web.auth import challenge
from ml_backend.web.dashboard import csrf
from ml_backend.web.dashboard.forms import settings_of_form
from ml_backend.web.dashboard.page import project_page

DONE = {
    "settings": "Saved. The change applies from the next ranking.",
    "train": "A run is open. The worker starts it in its next pass.",
    "rank": "A new order was requested.",
    "rollback": "The roll-back has started: a run publishes the earlier model.",
    "reconcile": LOOKS_FOR_LOST,
}

Action = Callable[[Services, int], None]


def dashboard(services: Services, unanswered: Unanswered) -> Blueprint:
    """The pages below /dashboard."""
    routes = Blueprint(
        "dashboard", __name__, template_folder="templates", static_folder="static", static_url_path="/static"
    )

    @routes.get("/")
    def index() -> BaseResponse:
        projects = services.store.projects.all()
        if len(projects) == 1:
            return redirect(url_for("dashboard.project", project_id=projects[0].id))
        return make_response(render_template("index.html", projects=projects))

    @routes.get("/<int:project_id>")
    def project(project_id: int) -> Response:
        return _page(services, unanswered, project_id, said=DONE.get(request.args.get("done", ""), ""))

    @routes.post("/<int:project_id>/<action>")
    def act(project_id: int, action: str) -> BaseResponse:
        csrf.check(services.settings, request)
        services.store.projects.one(project_id)
        try:
            _action(action)(services, project_id)
        except PapLoopError as error:
            return _page(services, unanswered, project_id, problem=str(error), status=error.status)
        return redirect(url_for("dashboard.project", project_id=project_id, done=action), 303)

    _headers(routes)
    _errors(routes)
    return routes


def _page(
    services: Services,
    unanswered: Unanswered,
    project_id: int,
    *,
    said: str = "",
    problem: str = "",
    status: int = 200,
) -> Response:
    nonce = csrf.nonce_of(request)
    page = project_page(services, project_id, media_root=request.script_root)
    response = make_response(
        render_template(
            "project.html",
            page=page,
            said=said,
            problem=problem,
            unanswered=unanswered.total(project_id),
            reasons=[
                (utc_minute(reason.at), reason.tasks, reason.sentence) for reason in unanswered.newest(project_id)
            ],
            form_field=csrf.FIELD,
            form_token=csrf.token(services.settings, nonce),
        ),
        status,
    )
    csrf.remember(response, nonce, secure=request.is_secure)
    return response


def _action(name: str) -> Action:
    actions: dict[str, Action] = {
        "settings": _save,
        "train": lambda services, project_id: _ask(services, project_id, "train", "Requested on the dashboard."),
        "rank": lambda services, project_id: _ask(
            services, project_id, "rank", "A new order was requested on the dashboard."
        ),
        "rollback": _go_back,
        "reconcile": lambda services, project_id: ask_reconcile(services.store.projects, project_id),
    }
    if name not in actions:
        raise BadRequest(
            f"The dashboard has no action {name[:40]!r}. Use one of its buttons.", code="request.unknown_action"
        )
    return actions[name]


def _ask(services: Services, project_id: int, kind: str, reason: str) -> None:
    request_run(services.store, project_id, kind=kind, reason=reason, now=services.clock())


def _save(services: Services, project_id: int) -> None:
    change_settings(services.store.projects, project_id, settings_of_form(request.form))


def _go_back(services: Services, project_id: int) -> None:
    text = request.form.get("run", "")
    run_id = identifier(int(text)) if text.isascii() and text.isdigit() and len(text) < 19 else None
    if run_id is None:
        raise BadRequest("The form names no run. Use the button beside a promoted run.", code="request.no_run")
    rollback(services.store, services.files, project_id, run_id, now=services.clock())


def _headers(routes: Blueprint) -> None:
    @routes.after_request
    def headers(response: Response) -> Response:
        response.headers["Content-Security-Policy"] = (
            "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
            "form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
        )
        response.headers["X-Content-Type-Options"] = "nosniff"
        # With "no-referrer" browsers send forms with "Origin: null", which `refuse_other_sites` turns away.
        response.headers["Referrer-Policy"] = "same-origin"
        if request.endpoint != "dashboard.static":
            response.headers["Cache-Control"] = "no-store"
        return response


def _errors(routes: Blueprint) -> None:
    def page(sentence: str, status: int) -> Response:
        return make_response(render_template("problem.html", problem=sentence), status)

    @routes.errorhandler(PapLoopError)
    def known(error: PapLoopError) -> Response:
        response = page(str(error), error.status)
        if isinstance(error, Unauthorized):
            challenge(response)
        return response

    @routes.errorhandler(HTTPException)
    def http(error: HTTPException) -> Response:
        return page(str(error.description or error.name), error.code or 500)
