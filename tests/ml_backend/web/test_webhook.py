"""Events are kept, redacted and acknowledged, whatever arrives and whatever the database is doing."""

import json
import sqlite3
import threading
from collections.abc import Callable
from contextlib import closing
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from werkzeug.test import EnvironBuilder
from werkzeug.wrappers import Request

from ml_backend.errors import BadRequest
from ml_backend.loop.event_queue import apply_open_events
from ml_backend.loop.events import HANDLERS
from ml_backend.web.bodies import json_object
from ml_backend.web.inbox import Inbox
from ml_backend.web.redaction import ACTIONS, redact
from tests.ml_backend.web.conftest import CONFIG, FIXTURES, WebWorld, basic, bearer, recorded

RECORDED = sorted(path.stem for path in FIXTURES.glob("*webhook_*.json") if not path.stem.startswith("api_"))


def inbox(world: WebWorld) -> Inbox:
    return world.app.extensions["paploop-inbox"]


def settle(world: WebWorld) -> None:
    """Move what may still be on its way."""
    while inbox(world).waiting():
        inbox(world).drain()


def post(world: WebWorld, body: Any) -> Any:
    return world.client.post("/webhook", json=body, headers=bearer())


def test_there_are_recordings_of_every_action() -> None:
    assert {recorded(name)["request"]["body"]["action"] for name in RECORDED} == ACTIONS == set(HANDLERS)


@pytest.mark.parametrize("name", RECORDED)
def test_recorded_events_are_kept_and_acknowledged_as_recorded(world: WebWorld, name: str) -> None:
    body = recorded(name)["request"]["body"]
    headers = basic() if body["action"] == "START_TRAINING" else bearer()
    answer = world.client.post("/webhook", json=body, headers=headers)
    assert answer.status_code == recorded(name)["response"]["status"]
    assert answer.json.keys() == recorded(name)["response"]["body"].keys()
    assert answer.json["result"] == "ok"
    settle(world)
    (event,) = world.store.events.all_open()
    assert (event.action, event.project_id) == (body["action"], body["project"]["id"])
    assert event.received_at == world.now


NEEDED = ("result", "was_cancelled", "ground_truth", "completed_by", "updated_at", "task", "lead_time")


@pytest.mark.parametrize("name", RECORDED)
def test_kept_events_hold_no_secret_and_all_the_worker_needs(name: str) -> None:
    body = recorded(name)["request"]["body"]
    body["project"].update(token="s3cret", task_data_login="s3cret", task_data_password="s3cret")
    kept = redact(body)
    assert "s3cret" not in json.dumps(kept)
    assert "token" not in json.dumps(kept["project"])
    assert kept["project"]["label_config"] == body["project"]["label_config"]
    for key in ("annotation", "annotations", "task", "tasks"):
        if key in body:
            assert type(kept[key]) is type(body[key])
            one, other = (kept[key], body[key]) if isinstance(body[key], dict) else (kept[key][0], body[key][0])
            assert one["id"] == other["id"]
            if key.startswith("annotation"):
                assert {field: one.get(field) for field in NEEDED} == {field: other.get(field) for field in NEEDED}
    assert redact(kept) == kept


@pytest.mark.parametrize("name", [name for name in RECORDED if name != "ml_webhook_start_training"])
def test_the_worker_understands_what_was_kept(world: WebWorld, name: str) -> None:
    world.store.projects.upsert(3, "ml demo", CONFIG, 1.0)
    post(world, recorded(name)["request"]["body"])
    settle(world)
    (event,) = apply_open_events(world.services)
    closed = world.store.events.all_open()
    assert closed == []
    assert event.action == recorded(name)["request"]["body"]["action"]
    with closing(sqlite3.connect(world.services.settings.data_dir / "paploop.db")) as database:
        assert database.execute("SELECT error FROM events").fetchall() == [("",)]


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"action": "ANNOTATION_CREATED", "project": {"id": 3}, "annotation": 7},
        {"action": "TASKS_DELETED", "project": {"id": 3}, "tasks": "all"},
        {"action": "PROJECT_UPDATED", "project": "three"},
        {"action": "PROJECT_UPDATED", "project": {"id": True}},
        {"action": "PROJECT_UPDATED", "project": {"id": 2**80}},
        {"action": None, "project": 3},
        {"action": ["START_TRAINING"], "project": 3},
        {"action": "x" * 1000, "project": 3},
    ],
)
def test_malformed_events_get_a_sentence(world: WebWorld, body: dict) -> None:
    answer = post(world, body)
    assert answer.status_code == 400
    assert answer.json["error"].endswith(".")
    assert inbox(world).waiting() == 0


def test_unknown_actions_are_acknowledged_and_forgotten(world: WebWorld) -> None:
    answer = post(world, {"action": "LABEL_LINK_CREATED", "project": {"id": 3}})
    assert (answer.status_code, answer.json["result"]) == (201, "ignored")
    assert world.store.events.all_open() == []


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (b"", 400),
        (b"   ", 400),
        (b"{", 400),
        (b"[1]", 400),
        (b"null", 400),
        (b'"text"', 400),
        (b"\xff\xfe\x00", 400),
        (b'{"a":' * 50_000, 400),
        (b'{"action":"PROJECT_UPDATED","project":{"id":3},"x":' + b"[" * 100 + b"]" * 100 + b"}", 400),
        (b'{"action":"PROJECT_UPDATED","project":3,"n":' + b"9" * 5000 + b"}", 400),
        (b'\xef\xbb\xbf{"action":"PROJECT_UPDATED","project":{"id":3}}', 201),
        (b'{"action":"PROJECT_UPDATED","project":"3.1795253497"}', 201),
        (b'{"action":"PROJECT_UPDATED","project":{"id":3,"title":"a\\u0000\\ud800b","task_number":NaN}}', 201),
    ],
)
def test_bodies_count_not_content_types(world: WebWorld, data: bytes, status: int) -> None:
    types = ["application/json", "text/plain", "", "application/json; charset=latin-1", ";;"]
    for content_type in types:
        answer = world.client.post("/webhook", data=data, content_type=content_type, headers=bearer())
        assert answer.status_code == status, (content_type, answer.json)
    settle(world)
    assert len(world.store.events.all_open()) == (len(types) if status == 201 else 0)


def test_too_large_bodies_are_refused_in_a_sentence(world: WebWorld) -> None:
    world.app.config["MAX_CONTENT_LENGTH"] = 1000
    answer = world.client.post("/webhook", data=b" " * 2000, headers=bearer())
    assert answer.status_code == 413
    assert "PAPLOOP_MAX_REQUEST_BYTES" in answer.json["error"]


def test_a_locked_database_delays_no_answer_and_loses_nothing(world: WebWorld) -> None:
    body = recorded("webhook_annotation_created")["request"]["body"]
    released = threading.Event()
    with closing(sqlite3.connect(world.services.settings.data_dir / "paploop.db", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        for _ in range(5):
            assert post(world, body).status_code == 201
            assert not released.is_set()
        assert inbox(world).waiting() == 5
        assert world.store.events.all_open() == []
        other.execute("ROLLBACK")
    settle(world)
    assert len(world.store.events.all_open()) == 5


def test_events_keep_their_order_and_leftovers_are_moved_at_the_next_start(world: WebWorld) -> None:
    inbox(world).close()
    for number in range(1, 8):
        post(world, {"action": "TASKS_DELETED", "project": {"id": 3}, "tasks": [{"id": number}]})
    assert inbox(world).waiting() == 7
    later = Inbox(world.services.store, world.services.files, world.services.clock)
    later.drain()
    assert [event.body["tasks"][0]["id"] for event in world.store.events.all_open()] == list(range(1, 8))


def test_a_damaged_file_holds_up_nobody(world: WebWorld) -> None:
    inbox(world).close()
    (inbox(world).folder / "00000000000000000001-1-000000.json").write_text('{"half": ')
    post(world, {"action": "TASKS_DELETED", "project": {"id": 3}, "tasks": [{"id": 1}]})
    assert Inbox(world.services.store, world.services.files, world.services.clock).drain() == 1
    assert [path.suffix for path in inbox(world).folder.iterdir()] == [".damaged"]


def test_odd_field_types_cannot_trip_the_worker(world: WebWorld) -> None:
    world.store.projects.upsert(3, "ml demo", CONFIG, 1.0)
    odd = {"id": 1, "task": {"id": 5}, "completed_by": {"id": 2, "email": "a@b.c"}, "lead_time": "long", "result": "x"}
    odd |= {"parent_prediction": [], "updated_at": 7, "was_cancelled": "yes"}
    post(
        world, {"action": "ANNOTATION_CREATED", "project": {"id": 3}, "annotation": odd, "task": {"id": 5, "data": {}}}
    )
    settle(world)
    assert "a@b.c" not in json.dumps(dict(world.store.events.all_open()[0].body))
    apply_open_events(world.services)
    (row,) = world.store.labels.all(3)
    assert (row.task_id, row.completed_by, row.lead_time, row.result) == (5, 2, None, [])


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=12), inner, max_size=4),
    max_leaves=20,
)
KEYS = st.sampled_from(["annotation", "annotations", "task", "tasks", "project", "extra"])


def outcome(call: Callable[[], dict[str, Any]]) -> dict[str, Any] | str:
    """What came back, or the sentence of the refusal."""
    try:
        return call()
    except BadRequest as error:
        return str(error)


@pytest.mark.slow
@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(action=st.sampled_from(sorted(ACTIONS)), body=st.dictionaries(KEYS, JSON, max_size=6), project=st.integers(1, 9))
def test_any_json_is_redacted_or_refused(action: str, body: dict, project: int) -> None:
    for given_project in ({"id": project}, body.get("project")):
        kept = outcome(lambda named=given_project: redact({**body, "action": action, "project": named}))
        if isinstance(kept, str):
            assert kept.endswith(".")
        else:
            assert kept["project"]["id"] >= 1
            assert set(kept) <= {"action", "project", "annotation", "annotations", "task", "tasks"}
            assert redact(kept) == kept


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=60) | JSON.map(lambda value: json.dumps(value).encode()))
def test_any_bytes_are_an_object_or_a_sentence(data: bytes) -> None:
    call: Any = Request(EnvironBuilder(method="POST", data=data).get_environ())
    answer = outcome(lambda: json_object(call))
    assert isinstance(answer, dict) or answer.endswith(".")
