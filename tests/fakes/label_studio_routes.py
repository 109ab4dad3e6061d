"""The HTTP side of the fake Label Studio: projects, tasks, annotations, label stream, files."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, Flask, Response, jsonify, redirect, request
from werkzeug.wrappers import Response as AnyResponse

from tests.fakes.label_studio import FakeLabelStudio
from tests.fakes.label_studio_answers import Refused, invalid, missing, page, select
from tests.fakes.label_studio_bulk import bulk_routes
from tests.fakes.label_studio_connections import connection_routes
from tests.fakes.label_studio_state import Row

OPEN_PATHS = ("/health", "/api/token/refresh/")


def build_app(fake: FakeLabelStudio) -> Flask:
    app = Flask("fake_label_studio")
    for routes in (_gate, _project_routes, _task_routes, _annotation_routes, _file_routes):
        routes(app, fake)
    for blueprint in (bulk_routes(fake), connection_routes(fake)):
        app.register_blueprint(blueprint)
    return app


class Prefixed:
    """The app below a path, as behind a proxy; everything else is the proxy's own page.

    Args:
        inner: the app.
        prefix: its path, without a slash at the end.
    """

    def __init__(self, inner: Flask, prefix: str) -> None:
        self._inner = inner
        self._prefix = prefix

    def __call__(self, environ: Row, start_response: Any) -> Any:
        path = environ.get("PATH_INFO", "")
        if not path.startswith(self._prefix + "/"):
            return Response("<h1>Not Found</h1>", 404, mimetype="text/html")(environ, start_response)
        return self._inner({**environ, "PATH_INFO": path[len(self._prefix) :]}, start_response)


def _gate(app: Flask, fake: FakeLabelStudio) -> None:
    @app.before_request
    def check() -> Any:
        if fake.faults.down:
            return Response("<h1>503</h1>", 503, mimetype="text/html")
        if request.path in OPEN_PATHS or fake.user() is not None:
            return None
        given = request.headers.get("Authorization", "")
        if given.startswith("Token") and not fake.legacy_allowed:
            off = "legacy token authentication has been disabled for this organization"
            return Refused(401, f"Authentication token no longer valid: {off}").response()
        return Refused(401, "Invalid token." if given else "Authentication credentials were not provided.").response()

    @app.errorhandler(Refused)
    def refused(error: Refused) -> Response:
        return error.response()

    @app.get("/health")
    def health() -> Any:
        return jsonify(status="UP")

    @app.post("/api/token/refresh/")
    def refresh() -> Any:
        if (request.get_json() or {}).get("refresh") != fake.personal_token:
            raise Refused(401, "Token is invalid")
        return jsonify(access=fake.access_token())

    @app.get("/api/current-user/whoami")
    def whoami() -> Any:
        return jsonify(id=fake.user(), email=f"user{fake.user()}@example.com", active_organization=1)


def _project_routes(app: Flask, fake: FakeLabelStudio) -> None:
    state = fake.state

    @app.route("/api/projects/", methods=["GET", "POST"])
    def projects() -> Any:
        if request.method == "POST":
            body = request.get_json()
            if len(body.get("title", "")) < 3:
                raise invalid({"title": ["Ensure this field has at least 3 characters."]})
            with state.lock:
                return jsonify(state.add_project(body)), 201
        number, size = int(request.args.get("page", 1)), int(request.args.get("page_size", 30))
        with state.lock:
            rows = [state.project_view(row) for row in state.projects.values()]
        part = rows[(number - 1) * size : number * size]
        more = "next page" if number * size < len(rows) else None
        return jsonify(count=len(rows), next=more, previous=None, results=part)

    @app.route("/api/projects/<int:number>/", methods=["GET", "PATCH", "DELETE"])
    def project(number: int) -> Any:
        with state.lock:
            row = state.projects.get(number)
            if row is None:
                raise missing("Project")
            if request.method == "DELETE":
                for task in state.tasks_of(number):
                    state.delete_task(task["id"])
                for table in (state.webhooks, state.backends):
                    for key in [key for key, entry in table.items() if entry["project"] == number]:
                        del table[key]
                del state.projects[number]
                return "", 204
            if request.method == "PATCH":
                _patch(number, row, request.get_json())
        if request.method == "PATCH":
            fake.emit(number, "PROJECT_UPDATED")
        with state.lock:
            return jsonify(state.project_view(row))

    def _patch(number: int, row: Row, body: Row) -> None:
        if len(body.get("title", row["title"])) < 3:
            raise invalid({"title": ["Ensure this field has at least 3 characters."]})
        version = body.get("model_version")
        titles = [entry["title"] for entry in state.backends.values() if entry["project"] == number]
        if version and version not in titles + [entry["model_version"] for entry in state.versions(number)]:
            raise invalid(
                {"model_version": ["Model version doesn't exist either as live model or as static predictions."]}
            )
        row.update({key: value for key, value in body.items() if key != "id"})
        state.touch(row)

    @app.get("/api/projects/<int:number>/next")
    def next_task(number: int) -> Any:
        with state.lock:
            row = state.projects.get(number)
            if row is None:
                raise missing("Project")
            user = fake.user() or 1
            found = state.next_task(row, user)
            if found is None:
                raise Refused(404, f"There are no tasks for user{user}@example.com")
            shown = row["model_version"]
            view = state.task_view(found[0])
            view["predictions"] = [p for p in view["predictions"] if not shown or p["model_version"] == shown]
            return jsonify({**view, "queue": found[1]})


def _task_routes(app: Flask, fake: FakeLabelStudio) -> None:
    state = fake.state

    @app.get("/api/tasks/")
    def tasks() -> Any:
        number = int(request.args.get("project", 0))
        with state.lock:
            if number not in state.projects:
                raise missing("Project")
            views = [state.task_view(task) for task in state.tasks_of(number)]
            return jsonify(page(select(views, request.args.get("query", "")), request.args))

    @app.route("/api/tasks/<int:number>/", methods=["GET", "PATCH", "DELETE"])
    def task(number: int) -> Any:
        with state.lock:
            row = state.tasks.get(number)
            if row is None:
                raise missing("Task")
            if request.method == "PATCH":
                row.update({k: v for k, v in request.get_json().items() if k in ("data", "meta", "overlap")})
                state.touch(row)
            if request.method != "DELETE":
                return jsonify(state.task_view(row))
            state.delete_task(number)
        fake.emit(row["project"], "TASKS_DELETED", tasks=[{"id": number}])
        return "", 204


def _annotation_routes(app: Flask, fake: FakeLabelStudio) -> None:
    state = fake.state

    @app.route("/api/tasks/<int:number>/annotations/", methods=["GET", "POST"])
    def annotations(number: int) -> Any:
        with state.lock:
            task = state.tasks.get(number)
            if task is None:
                raise missing("Task")
            if request.method == "GET":
                return jsonify(state.annotations_of(number))
            row = dict(state.add_annotation(task, request.get_json(), fake.user()))
            view = state.task_view(task, nested=False)
        fake.emit(task["project"], "ANNOTATION_CREATED", annotation=row, task=view)
        return jsonify(row), 201

    @app.route("/api/annotations/<int:number>/", methods=["GET", "PATCH", "DELETE"])
    def annotation(number: int) -> Any:
        with state.lock:
            row = state.annotations.get(number)
            if row is None:
                raise missing("Annotation")
            if request.method == "GET":
                return jsonify(row)
            task = state.tasks[row["task"]]
            if request.method == "PATCH":
                row.update({k: v for k, v in request.get_json().items() if k not in ("id", "task", "project")})
                state.touch(row)
            else:
                del state.annotations[number]
            state.touch(task)
            row, view = dict(row), state.task_view(task, nested=False)
        if request.method == "PATCH":
            fake.emit(task["project"], "ANNOTATION_UPDATED", annotation=row, task=view)
            return jsonify(row)
        fake.emit(task["project"], "ANNOTATIONS_DELETED", annotations=[{"id": number}])
        return "", 204


def _file_routes(app: Flask, fake: FakeLabelStudio) -> None:
    files = Blueprint("files", __name__)

    def hand_out(key: str) -> AnyResponse:
        content, kind = fake.state.files.get(key, (None, ""))
        if content is None:
            raise Refused(500, "'NoneType' object has no attribute 'has_permission'")
        if kind == "redirect":
            return redirect(content.decode(), 303)
        return Response(content, mimetype=kind)

    @files.get("/data/upload/<path:name>")
    def upload(name: str) -> AnyResponse:
        return hand_out(f"/data/upload/{name}")

    @files.get("/data/local-files/")
    def local_file() -> AnyResponse:
        return hand_out(f"/data/local-files/?d={request.args.get('d', '')}")

    @files.get("/tasks/<int:number>/resolve/")
    def resolve(number: int) -> AnyResponse:
        import base64

        if number not in fake.state.tasks:
            raise missing("Task")
        return hand_out(base64.urlsafe_b64decode(request.args["fileuri"]).decode())

    app.register_blueprint(files)
