"""Every recorded body of Label Studio 1.23.2, and what must hold whatever comes."""

import math

import pytest

from tests.fakes.runs import open_run
from tests.ml_backend.web.conftest import CONFIG, Loop, WebWorld, basic, bearer, recorded

PREDICTS = [
    "ml_predict_single",
    "ml_predict_batch",
    "ml_predict_basic_auth",
    "ml_predict_interactive_keypoint",
    "ml_predict_interactive_rectangle",
]


def check_element(element: object, version: str) -> None:
    if isinstance(element, list):
        assert element == []
        return
    assert isinstance(element, dict)
    assert element["model_version"] == version
    assert isinstance(element["score"], float)
    assert math.isfinite(element["score"])
    assert 0 <= element["score"] <= 1
    for region in element["result"]:
        assert set(region) >= {"id", "from_name", "to_name", "type", "value"}


def test_health_is_the_recorded_answer(world: WebWorld) -> None:
    answer = world.call("/health")
    assert answer.status_code == 200
    assert answer.json.keys() == recorded("ml_health")["response"]["body"].keys()
    assert answer.json["status"] == "UP"


def test_setup_names_a_version_for_a_project_we_do_not_know(world: WebWorld) -> None:
    answer = world.call("/setup", recorded("ml_setup")["request"]["body"])
    assert (answer.status_code, answer.json) == (200, {"model_version": "paploop-none"})
    assert world.store.projects.all() == []


def test_setup_names_the_active_version(world: WebWorld, loop: Loop) -> None:
    assert world.call("/setup", recorded("ml_setup")["request"]["body"]).json == {"model_version": loop.version}


@pytest.mark.parametrize("name", PREDICTS)
@pytest.mark.parametrize("is_connected", [False, True])
def test_recorded_predicts_get_one_element_a_task(world: WebWorld, name: str, is_connected: bool) -> None:
    body = recorded(name)["request"]["body"]
    project = int(body["project"].split(".")[0])
    if is_connected:
        world.store.projects.upsert(project, "x", body["label_config"], 1.0)
    version = world.call("/setup", {"project": body["project"]}).json["model_version"]
    answer = world.call("/predict", body)
    assert answer.status_code == 200
    assert len(answer.json["results"]) == len(body["tasks"])
    for element in answer.json["results"]:
        check_element(element, version)


@pytest.mark.usefixtures("loop")
def test_stored_predictions_are_served_with_the_version_of_setup(world: WebWorld) -> None:
    body = recorded("ml_predict_batch")["request"]["body"]
    version = world.call("/setup", {"project": body["project"]}).json["model_version"]
    first, second = world.call("/predict", body).json["results"]
    check_element(first, version)
    check_element(second, version)
    assert first["result"][0]["value"] == {"choices": ["Cat"]}
    assert first["result"][0]["score"] == pytest.approx(0.6)
    assert (first["score"], second["score"]) == (0.25, 0.0)
    wanted = recorded("ml_predict_batch")["response"]["body"]["results"][0]
    assert first.keys() == wanted.keys()
    assert first["result"][0].keys() >= wanted["result"][0].keys() - {"score"}


@pytest.mark.usefixtures("loop")
def test_interactive_context_is_answered_with_an_object(world: WebWorld) -> None:
    body = recorded("ml_predict_interactive_keypoint")["request"]["body"]
    (element,) = world.call("/predict", body).json["results"]
    assert element["result"][0]["value"] == {"choices": ["Cat"]}
    unknown = recorded("ml_predict_interactive_rectangle")["request"]["body"]
    for context in (unknown["params"]["context"], {}, None):
        unknown["params"]["context"] = context
        (element,) = world.call("/predict", unknown).json["results"]
        assert element == {"model_version": "paploop-none", "score": 1.0, "result": []}


@pytest.mark.usefixtures("loop")
def test_odd_tasks_cost_nobody_else_his_prediction(world: WebWorld) -> None:
    good = {"id": 2, "data": {"image": "x"}}
    odd = [None, 7, "task", [], {}, {"id": "2"}, {"id": True}, {"id": -1}, {"id": 2**70}, {"id": 99, "data": None}]
    answer = world.call("/predict", {"tasks": [*odd, good], "project": 3, "label_config": CONFIG})
    results = answer.json["results"]
    assert answer.status_code == 200
    assert len(results) == len(odd) + 1
    assert all(element == [] for element in results[:-1])
    assert results[-1]["result"][0]["value"] == {"choices": ["Dog"]}


@pytest.mark.usefixtures("loop")
def test_a_class_that_left_the_label_config_is_not_predicted(world: WebWorld) -> None:
    renamed = CONFIG.replace("Dog", "Fox")
    element = world.call("/predict", {"tasks": [{"id": 2}], "project": 3, "label_config": renamed}).json["results"][0]
    assert element["result"] == []


@pytest.mark.usefixtures("loop")
@pytest.mark.parametrize("config", ["<View/>", "not xml", "<!DOCTYPE a><View/>"])
def test_a_config_without_choices_gives_empty_elements(world: WebWorld, config: str) -> None:
    answer = world.call("/predict", {"tasks": [{"id": 2}, {"id": 1}], "project": 3, "label_config": config})
    assert answer.json == {"results": [[], []]}


@pytest.mark.usefixtures("loop")
def test_cold_start_carries_the_order_and_no_regions(world: WebWorld) -> None:
    entries = world.store.rankings.entries(world.store.rankings.all(3)[0].id)
    run = open_run(world.store, 3, kind="rank")
    ranking = world.store.rankings.add(3, None, run.id, "cold", "core_set", {}, entries, 1.0)
    world.store.rankings.activate(ranking, None)
    ranked, unranked = world.call("/predict", {"tasks": [{"id": 3}, {"id": 5}], "project": 3}).json["results"]
    assert ranked == {"model_version": "cold", "score": 0.25, "result": []}
    assert unranked == []


@pytest.mark.usefixtures("loop")
def test_no_tasks_no_results(world: WebWorld) -> None:
    assert world.call("/predict", {"tasks": [], "project": "3.1"}).json == {"results": []}


@pytest.mark.parametrize(
    "body",
    [{"project": 3}, {"tasks": 7, "project": 3}, {"tasks": None}, {"tasks": [], "project": "x"}, {"tasks": "[]"}],
)
def test_predict_refuses_what_is_no_predict_in_a_sentence(world: WebWorld, body: dict) -> None:
    answer = world.call("/predict", body)
    assert answer.status_code == 400
    assert answer.json["error"].endswith(".")


def test_versions_lists_what_may_still_be_in_label_studio(world: WebWorld, loop: Loop) -> None:
    assert world.call("/versions").json == {"versions": [loop.version]}
    assert world.call("/versions").json.keys() == recorded("ml_versions")["response"]["body"].keys()


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/predict", 405),
        ("POST", "/health", 405),
        ("GET", "/webhook", 405),
        ("DELETE", "/setup", 405),
        ("GET", "/nothing/here", 404),
        ("HEAD", "/nothing", 404),
        ("POST", "/train", 404),
        ("GET", "/%2e%2e/etc/passwd", 404),
    ],
)
def test_wrong_addresses_get_a_json_sentence(world: WebWorld, method: str, path: str, status: int) -> None:
    answer = world.call(path, method=method)
    assert answer.status_code == status
    assert answer.content_type == "application/json"
    if method != "HEAD":
        assert answer.json["error"].endswith(".")


def test_head_works_where_get_does(world: WebWorld) -> None:
    assert world.call("/health", method="HEAD").status_code == 200


WRONG = [
    {},
    basic(password="wrong"),
    basic(user="eve"),
    basic(password=""),
    bearer("wrong"),
    {"Authorization": "Basic %%%"},
]


@pytest.mark.parametrize("path", ["/health", "/versions", "/api/projects", "/metrics", "/", "/dashboard/"])
def test_wrong_or_missing_credentials_are_refused(world: WebWorld, path: str) -> None:
    for headers in WRONG:
        answer = world.client.get(path, headers=headers)
        assert answer.status_code == 401, headers
        assert answer.headers["WWW-Authenticate"].startswith("Basic ")


@pytest.mark.parametrize("path", ["/setup", "/predict", "/webhook", "/api/projects/3/train", "/dashboard/3/train"])
def test_nothing_is_done_without_credentials(world: WebWorld, path: str) -> None:
    world.store.projects.upsert(3, "x", CONFIG, 1.0)
    for headers in WRONG:
        assert world.client.post(path, headers=headers, json={}).status_code == 401, headers
    assert world.store.runs.latest(3) == []


def test_the_webhook_secret_opens_the_webhook_only(world: WebWorld) -> None:
    body = recorded("webhook_project_updated")["request"]["body"]
    assert world.client.post("/webhook", json=body, headers=bearer()).status_code == 201
    assert world.client.post("/webhook", json=body, headers=basic()).status_code == 201
    assert world.client.get("/health", headers=bearer()).status_code == 401
    assert world.client.get("/api/projects", headers=bearer()).status_code == 401


def test_no_model_means_no_answer_for_new_tasks(world: WebWorld) -> None:
    world.store.projects.upsert(3, "x", CONFIG, 1.0)
    results = world.call("/predict", {"tasks": [{"id": 1}, {"id": 2}], "project": 3}).json["results"]
    assert results == [[], []]
