"""ML backends and webhooks of the fake Label Studio, with the traps of the real one."""

from __future__ import annotations

import base64
from typing import Any

from flask import Blueprint, jsonify, request

from tests.fakes.label_studio import FakeLabelStudio
from tests.fakes.label_studio_answers import Refused, invalid, missing
from tests.fakes.label_studio_state import Row


def connection_routes(fake: FakeLabelStudio) -> Blueprint:
    routes = Blueprint("connections", __name__)
    state = fake.state

    def basic(backend: Row) -> Row:
        if backend["auth_method"] != "BASIC_AUTH":
            return {}
        pair = f"{backend['basic_auth_user']}:{backend['basic_auth_pass']}"
        return {"Authorization": "Basic " + base64.b64encode(pair.encode()).decode()}

    def check(backend: Row) -> None:
        """Health and setup, as the real one asks while a backend is saved."""
        url = backend["url"].rstrip("/")
        try:
            status, _ = fake.call_peer("GET", url + "/health", basic(backend), None)
        except Exception:
            status = 0
        if status != 200:
            raise invalid([f"Can't connect to ML backend {url}, health check failed. Make sure it is up"])
        project = state.projects[backend["project"]]
        body = {
            "project": f"{project['id']}.1795253497",
            "schema": project["label_config"],
            "hostname": fake.url,
            "access_token": "legacy",
            "extra_params": None,
        }
        status, answer = fake.call_peer("POST", url + "/setup", basic(backend), body)
        if status != 200:
            raise invalid([f"Can't set up ML backend {url}: it answered {status}"])
        backend["model_version"] = (answer or {}).get("model_version")

    def view(backend: Row) -> Row:
        shown = {key: value for key, value in backend.items() if key != "basic_auth_pass"}
        return {**shown, "basic_auth_pass_is_set": bool(backend["basic_auth_pass"])}

    @routes.route("/api/ml/", methods=["GET", "POST"])
    def backends() -> Any:
        if request.method == "GET":
            number = int(request.args["project"])
            return jsonify([view(row) for row in state.backends.values() if row["project"] == number])
        body = request.get_json()
        if body["project"] not in state.projects:
            raise missing("Project")
        row = {"auth_method": "NONE", "basic_auth_user": "", "basic_auth_pass": "", "title": "", "state": "CO", **body}
        if fake.blocks_private_peers:
            # The real one answers 403, but the row is there.
            row["id"] = state.number("backend")
            state.backends[row["id"]] = row
            raise Refused(403, "URL resolves to a reserved network address (block: 127.0.0.0/8)")
        check(row)
        with state.lock:
            row["id"] = state.number("backend")
            state.backends[row["id"]] = row
            project = state.projects[body["project"]]
            project["model_version"] = project["model_version"] or row["title"]
            url = row["url"].rstrip("/") + "/webhook"
            if not any((h["project"], h["url"]) == (body["project"], url) for h in state.webhooks.values()):
                add_webhook({"project": body["project"], "url": url})
        return jsonify(view(row)), 201

    @routes.route("/api/ml/<int:number>", methods=["PATCH", "DELETE"])
    def backend(number: int) -> Any:
        row = state.backends.get(number)
        if row is None:
            raise missing("MLBackend")
        if request.method == "DELETE":
            del state.backends[number]
            return "", 204
        body = request.get_json()
        if "url" not in body or "project" not in body:
            raise Refused(500, "MLBackend.healthcheck_() missing 1 required positional argument: 'url'")
        check({**row, **body})
        row.update(body)
        return jsonify(view(row))

    @routes.post("/api/ml/<int:number>/train")
    def train(number: int) -> Any:
        row = state.backends.get(number)
        if row is None:
            raise missing("MLBackend")
        project = state.project_view(state.projects[row["project"]])
        body = {"action": "START_TRAINING", "project": project}
        fake.call_peer("POST", row["url"].rstrip("/") + "/webhook", basic(row), body)
        return "", 200

    def add_webhook(body: Row) -> Row:
        row = {
            "send_payload": True,
            "send_for_all_actions": True,
            "headers": {},
            "is_active": True,
            "actions": [],
            **body,
            "id": state.number("webhook"),
        }
        state.webhooks[row["id"]] = row
        return row

    @routes.route("/api/webhooks/", methods=["GET", "POST"])
    def webhooks() -> Any:
        if request.method == "POST":
            with state.lock:
                return jsonify(add_webhook(request.get_json())), 201
        number = int(request.args["project"])
        if number not in state.projects:
            raise invalid({"project": ["Select a valid choice. That choice is not one of the available choices."]})
        return jsonify([row for row in state.webhooks.values() if row["project"] == number])

    @routes.route("/api/webhooks/<int:number>/", methods=["PATCH", "DELETE"])
    def webhook(number: int) -> Any:
        row = state.webhooks.get(number)
        if row is None:
            raise missing("Webhook")
        if request.method == "DELETE":
            del state.webhooks[number]
            return "", 204
        row.update(request.get_json())
        return jsonify(row)

    return routes
