"""A Label Studio of a few hundred lines that behaves as the real 1.23.2 was seen to, with faults on demand.

Use::

    fake = FakeLabelStudio()
    client = fake.client()                       # the real client over WSGI, no sockets
    project = fake.add_project(CONFIG)           # or client.create_project(...)
    fake.peer = paploop_app                      # webhooks and ML calls go there; or an http:// address
    fake.fail_next(2, 502); fake.down = True; fake.drop_webhooks = True; fake.lose_answer(match="predictions")
    with fake.serve() as url: ...                # over a real socket, for other processes

`fake.state` holds the tables, `fake.calls` all requests, `fake.sent` all webhooks delivered.
"""

from __future__ import annotations

import base64
import contextlib
import json
import threading
from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Any

import httpx
from flask import request
from werkzeug.serving import make_server
from werkzeug.test import Client

from ml_backend.label_studio.client import LabelStudio
from tests.fakes.label_studio_faults import HTML_502, Faults, FaultyTransport
from tests.fakes.label_studio_state import Row, State

__all__ = ["CONFIG", "LEGACY", "FakeLabelStudio", "choice"]

LEGACY = "0123456789abcdef0123456789abcdef01234567"
CONFIG = (
    '<View><Image name="img" value="$image"/><Choices name="choice" toName="img" choice="single">'
    '<Choice value="Cat"/><Choice value="Dog"/></Choices></View>'
)


def choice(label: str, control: str = "choice", image: str = "img") -> list[Row]:
    """A result as the editor makes it."""
    return [{"id": "r1", "from_name": control, "to_name": image, "type": "choices", "value": {"choices": [label]}}]


def _jwt(claims: Row) -> str:
    def part(value: Row) -> str:
        return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")

    return f"{part({'alg': 'HS256'})}.{part(claims)}.c2lnbmF0dXJl"


class FakeLabelStudio:
    """The fake; see the top of this file.

    Args:
        prefix: path that it is served under, e.g. `/label-studio`.
        clock: where its times come from.
    """

    def __init__(self, prefix: str = "", clock: Callable[[], datetime] | None = None) -> None:
        from tests.fakes.label_studio_routes import Prefixed, build_app

        self.state = State(clock)
        self.faults = Faults()
        self.calls: list[tuple[str, str]] = []
        self.sent: list[Row] = []
        self.peer: Any = None
        self.prefix = prefix.rstrip("/")
        self.legacy_allowed = True
        self.blocks_private_peers = False
        self.users: dict[str, int] = {LEGACY: 1}
        self.personal_token = _jwt({"token_type": "refresh", "exp": 2**40, "jti": "personal", "user_id": 1})
        self.access_tokens: set[str] = set()
        self.refreshes = 0
        self.app: Any = Prefixed(build_app(self), self.prefix) if self.prefix else build_app(self)
        self.url = f"http://label-studio.test{self.prefix}"

    # faults

    @property
    def down(self) -> bool:
        return self.faults.down

    @down.setter
    def down(self, value: bool) -> None:
        self.faults.down = value

    @property
    def drop_webhooks(self) -> bool:
        return self.faults.drop_webhooks

    @drop_webhooks.setter
    def drop_webhooks(self, value: bool) -> None:
        self.faults.drop_webhooks = value

    def fail_next(self, n: int = 1, status: int = 502, *, body: str = HTML_502, match: str = "") -> None:
        """The next n calls whose path contains `match` answer this and do nothing."""
        self.faults.fail_next(n, status, body=body, match=match)

    def lose_answer(self, n: int = 1, *, match: str = "") -> None:
        """The next n calls are done, but the client sees a time-out."""
        self.faults.lose_answer(n, match=match)

    def expire_access(self) -> None:
        """All access tokens handed out so far stop working, as they do after 300 s."""
        self.access_tokens.clear()

    # clients

    def transport(self) -> httpx.BaseTransport:
        """For an httpx client."""
        return FaultyTransport(httpx.WSGITransport(app=self.app), self.faults, self.calls)

    def client(self, token: str = LEGACY, *, timeout: float = 60.0) -> LabelStudio:
        """The real client on this fake."""
        return LabelStudio(self.url, token, transport=self.transport(), timeout=timeout)

    def add_user(self, token: str) -> LabelStudio:
        """Another annotator."""
        self.users[token] = len(self.users) + 1
        return self.client(token)

    def access_token(self) -> str:
        """Hand out a new access token."""
        self.refreshes += 1
        token = _jwt({"token_type": "access", "exp": 2**40, "jti": str(self.refreshes), "user_id": 1})
        self.access_tokens.add(token)
        return token

    @contextlib.contextmanager
    def serve(self) -> Iterator[str]:
        """Listen on a real port of 127.0.0.1; `down` then answers 503."""
        server = make_server("127.0.0.1", 0, self.app, threaded=True)
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}{self.prefix}"
        finally:
            server.shutdown()
            thread.join()
            server.server_close()

    # short cuts for tests

    def add_project(self, config: str = CONFIG, tasks: int = 0, **fields: Any) -> int:
        """A project with tasks, without any webhook."""
        with self.state.lock:
            number = int(self.state.add_project({"title": "Fake", "label_config": config, **fields})["id"])
            for index in range(tasks):
                self.state.add_task(number, {"image": f"/data/upload/{number}/{index}.png"})
        return number

    def annotate(self, task_id: int, label: str | None, *, user: int = 1, **fields: Any) -> int:
        """An annotation (None = a skip), with its webhook."""
        body = {"result": choice(label) if label else [], "was_cancelled": label is None, **fields}
        with self.state.lock:
            task = self.state.tasks[task_id]
            row = dict(self.state.add_annotation(task, body, user))
            view = self.state.task_view(task, nested=False)
        self.emit(task["project"], "ANNOTATION_CREATED", annotation=row, task=view)
        return int(row["id"])

    def count(self, method: str, part: str) -> int:
        """How many calls were made with a method and a part of a path."""
        return sum(called == method and part in path for called, path in self.calls)

    # calls out

    def emit(self, project_id: int, action: str, **extra: Any) -> None:
        """Send a webhook to all that listen: one attempt, errors ignored."""
        with self.state.lock:
            project = self.state.projects.get(project_id)
            if project is None:
                return
            body = {
                "action": action,
                "project": {**self.state.project_view(project), "token": "project-token"},
                **extra,
            }
            body = json.loads(json.dumps(body))
            hooks = [dict(hook) for hook in self.state.webhooks.values() if self._wants(hook, project_id, action)]
        if self.faults.drop_webhooks:
            return
        for hook in hooks:
            self.sent.append({"url": hook["url"], "headers": dict(hook["headers"]), "body": body})
            with contextlib.suppress(Exception):
                self.call_peer("POST", hook["url"], hook["headers"], body)

    @staticmethod
    def _wants(hook: Row, project_id: int, action: str) -> bool:
        listens = hook["send_for_all_actions"] or action in hook["actions"]
        return bool(hook["project"] == project_id and hook["is_active"] and listens)

    def call_peer(self, method: str, url: str, headers: Row, body: Row | None) -> tuple[int, Any]:
        """Ask PapLoop something; without a peer everything is answered with 200 and a model version."""
        if self.peer is None:
            return 200, {"status": "UP", "model_version": "stub"}
        if isinstance(self.peer, str):
            address = self.peer.rstrip("/") + httpx.URL(url).path
            answer = httpx.request(method, address, headers=headers, json=body, timeout=1.0)
            return answer.status_code, answer.json() if answer.content else None
        answer = Client(self.peer).open(httpx.URL(url).path, method=method, headers=headers, json=body)
        return answer.status_code, answer.get_json(silent=True)

    def user(self) -> int | None:
        """Who sends the request being handled; None for a credential that is not taken."""
        scheme, _, value = request.headers.get("Authorization", "").partition(" ")
        if scheme == "Token" and value in self.users:
            return self.users[value] if self.legacy_allowed else None
        return 1 if scheme == "Bearer" and value in self.access_tokens else None
