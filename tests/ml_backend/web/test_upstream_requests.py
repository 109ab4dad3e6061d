"""The requests of label-studio-ml-backend's own tests and templates, on PapLoop's application without passwords."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient

from ml_backend.services import Services
from ml_backend.state.files import DataDir
from ml_backend.state.store import Store
from ml_backend.web.app import create_app
from tests.ml_backend.web.conftest import CONFIG, Loop, WebWorld, make_settings

TEXT = '<View><Text name="t" value="$text"/><Choices name="c" toName="t"><Choice value="Positive"/></Choices></View>'


@pytest.fixture
def client(tmp_path: Path) -> Iterator[FlaskClient]:
    settings = make_settings(tmp_path, insecure_no_auth=True)
    store = Store.open(settings.resolved_database_url)
    app = create_app(Services(settings, store, DataDir(tmp_path)))
    yield app.test_client()
    app.extensions["paploop-inbox"].close()
    store.close()


def test_the_five_requests_of_the_core(client: FlaskClient) -> None:
    health = client.get("/health")
    assert (health.status_code, health.json) == (200, {"model_class": "PapLoop", "status": "UP"})
    assert client.get("/metrics").status_code == 200
    predict = {
        "tasks": {"id": 1},
        "label_config": "<View></View>",
        "project": "1.1000000000",
        "params": {"context": {}},
    }
    assert client.post("/predict", json=predict).status_code == 200
    setup = {"project": "1.1000000000", "schema": "<View></View>", "extra_params": {}}
    assert client.post("/setup", json=setup).status_code == 200
    event = {"action": "ANNOTATION_CREATED", "project": {"id": 1, "label_config": "<View></View>"}}
    assert client.post("/webhook", json=event).status_code == 201


def test_the_live_requests(client: FlaskClient) -> None:
    assert client.get("/", follow_redirects=True).status_code == 200
    assert client.get("/health").status_code == 200


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"project": None},
        {"schema": TEXT, "hostname": "http://localhost:8080", "access_token": "x"},
        {"project": "42", "schema": TEXT},
        {"project": 42, "schema": TEXT, "extra_params": {"a": [1]}},
    ],
)
def test_setups_name_a_version(client: FlaskClient, body: dict[str, Any]) -> None:
    answer = client.post("/setup", json=body)
    assert (answer.status_code, answer.json) == (200, {"model_version": "paploop-none"})


EMPTY = {"model_version": "paploop-none", "score": 1.0, "result": []}


@pytest.mark.parametrize(
    ("body", "results"),
    [
        ({"tasks": [{"data": {"text": "good"}}], "label_config": TEXT}, [[]]),
        ({"tasks": {"data": {"image": "x"}}, "label_config": CONFIG}, [[]]),
        ({"tasks": [{"id": 1}, {"id": 2}]}, [[], []]),
        ({"tasks": [{"id": 1}], "label_config": None, "params": None}, [[]]),
        ({"tasks": [{"id": 1}], "project": None, "params": {"context": None}}, [[]]),
        ({"tasks": [{"id": 1}], "project": "1", "params": {"context": {"result": []}}}, [EMPTY]),
        ({"tasks": [{"id": 1}], "params": {"context": {}}}, [EMPTY]),
        ({"tasks": []}, []),
        ({"tasks": [{"id": 1, "predictions": [286], "annotations": [7, None]}], "project": 1}, [[]]),
    ],
)
def test_predicts_without_a_project_get_an_empty_answer(
    client: FlaskClient, body: dict[str, Any], results: list[Any]
) -> None:
    answer = client.post("/predict", json=body)
    assert (answer.status_code, answer.json) == (200, {"results": results})


@pytest.mark.parametrize("action", ["LABEL_LINK_CREATED", "ANNOTATIONS_CREATED", "TASKS_DELETED", "REVIEW_CREATED"])
def test_unknown_and_bare_events_are_acknowledged_and_counted(client: FlaskClient, action: str) -> None:
    answer = client.post("/webhook", json={"action": action, "project": {"id": 1}})
    assert (answer.status_code, answer.json) == (201, {"result": "ignored", "job": None})
    assert "paploop_webhooks_ignored_total{" in client.get("/metrics").text


def test_without_a_project_the_one_with_that_labeling_config_answers(world: WebWorld, loop: Loop) -> None:
    spaced = CONFIG.replace("><", ">\n  <")
    body = {"tasks": [{"id": 2}], "label_config": CONFIG}
    (element,) = world.call("/predict", body).json["results"]
    assert element["result"][0]["value"] == {"choices": ["Dog"]}
    assert world.call("/setup", {"schema": CONFIG}).json == {"model_version": loop.version}
    assert world.call("/predict", body | {"label_config": TEXT}).json["results"] == [[]]
    assert world.call("/predict", body | {"label_config": spaced}).json["results"] == [[]]
    world.store.projects.upsert(4, "the same config again", CONFIG, 1.0)
    assert world.call("/predict", body).json["results"] == [[]], "two projects have it, so nobody knows which is meant"


@pytest.mark.usefixtures("loop")
def test_one_task_may_come_without_a_list(world: WebWorld) -> None:
    (element,) = world.call("/predict", {"project": 3, "tasks": {"id": 2}}).json["results"]
    assert element["result"][0]["value"] == {"choices": ["Dog"]}
