"""Connecting a project: what is there afterwards, whatever was there before."""

from __future__ import annotations

import pytest
from flask import Flask, Response, jsonify, request

from ml_backend.errors import BadRequest, LabelStudioUnavailable, NotFound
from ml_backend.label_studio.bodies.webhooks import ACTIONS
from ml_backend.label_studio.client import LabelStudio
from ml_backend.label_studio.connect import TITLE, connect, disconnect
from ml_backend.settings import Settings
from tests.fakes.label_studio import FakeLabelStudio

HOOK = "http://paploop.test:9090/webhook"


@pytest.fixture
def settings() -> Settings:
    return Settings(
        public_url="http://paploop.test:9090/",
        basic_auth_user="paploop",
        basic_auth_password="ml-pass-1234",
        webhook_secret="hook-secret-1234",
    )


def _good(fake: FakeLabelStudio, project: int) -> None:
    backends = [row for row in fake.state.backends.values() if row["project"] == project]
    assert [(row["title"], row["url"]) for row in backends] == [(TITLE, "http://paploop.test:9090")]
    assert (backends[0]["basic_auth_user"], backends[0]["basic_auth_pass"]) == ("paploop", "ml-pass-1234")
    hooks = [row for row in fake.state.webhooks.values() if row["project"] == project]
    assert [hook["url"] for hook in hooks] == [HOOK]
    assert hooks[0]["headers"] == {"Authorization": "Bearer hook-secret-1234"}
    assert sorted(hooks[0]["actions"]) == sorted(ACTIONS)
    assert not hooks[0]["send_for_all_actions"]
    assert hooks[0]["is_active"]
    assert fake.state.projects[project]["sampling"] == "Uncertainty sampling"
    assert fake.state.projects[project]["model_version"] != TITLE


def test_a_bare_project_is_connected_and_repeating_changes_nothing(
    fake: FakeLabelStudio, client: LabelStudio, settings: Settings
) -> None:
    project = fake.add_project()
    first = connect(client, settings, project)
    _good(fake, project)
    assert first.done
    again = connect(client, settings, project)
    _good(fake, project)
    assert again.done == []
    assert (again.backend_id, again.webhook_id) == (first.backend_id, first.webhook_id)


SMART = """<View><Image name="img" value="$image"/><RectangleLabels name="box" toName="img" smart="true">
<Label value="cell"/></RectangleLabels></View>"""


@pytest.mark.parametrize(("config", "asks"), [(SMART, True), (SMART.replace('"true"', '"false"'), False)])
def test_the_editor_asks_where_the_config_has_smart_tools(
    fake: FakeLabelStudio, client: LabelStudio, settings: Settings, config: str, asks: bool
) -> None:
    project = fake.add_project(config)
    connect(client, settings, project)
    assert [row["is_interactive"] for row in fake.state.backends.values()] == [asks]
    client.update_project(project, label_config=SMART)
    connect(client, settings, project)
    assert [row["is_interactive"] for row in fake.state.backends.values()] == [True]


def test_the_active_order_survives_connecting(fake: FakeLabelStudio, client: LabelStudio, settings: Settings) -> None:
    project = fake.add_project(tasks=2)
    client.import_predictions(project, [{"task": 1, "score": 0.5, "model_version": "v1", "result": []}])
    client.set_model_version(project, "v1")
    connect(client, settings, project)
    assert client.project(project)["model_version"] == "v1"


def test_a_title_left_as_version_is_cleared(fake: FakeLabelStudio, client: LabelStudio, settings: Settings) -> None:
    project = fake.add_project()
    client.add_ml_backend(project, "http://paploop.test:9090", TITLE)
    assert client.project(project)["model_version"] == TITLE
    connect(client, settings, project)
    _good(fake, project)


def test_doubles_and_left_overs_go_and_strangers_stay(
    fake: FakeLabelStudio, client: LabelStudio, settings: Settings
) -> None:
    project, other = fake.add_project(), fake.add_project()
    for _ in range(3):
        client.add_ml_backend(project, "http://paploop.test:9090", TITLE)
    client.add_ml_backend(project, "http://old.test:1", TITLE)
    client.create_webhook(project, HOOK)
    client.create_webhook(project, "http://gone.test/webhook", headers={"Authorization": "Bearer hook-secret-1234"})
    stranger = client.create_webhook(project, "http://slack.test/webhook")["id"]
    client.create_webhook(other, HOOK)
    result = connect(client, settings, project)
    assert len([row for row in fake.state.backends.values() if row["project"] == project]) == 1
    hooks = {row["id"] for row in fake.state.webhooks.values() if row["project"] == project}
    assert hooks == {result.webhook_id, stranger}
    assert len(client.webhooks(other)) == 1
    assert len(disconnect(client, settings, project)) == 2
    assert [hook["id"] for hook in client.webhooks(project)] == [stranger]
    assert disconnect(client, settings, project) == []


def test_loopback_names_are_one_address(fake: FakeLabelStudio, client: LabelStudio, settings: Settings) -> None:
    local = settings.model_copy(update={"public_url": "http://127.0.0.1:9090"})
    project = fake.add_project()
    client.add_ml_backend(project, "http://localhost:9090/", "stub")
    client.create_webhook(project, "http://localhost:9090/webhook")
    connect(client, local, project)
    assert [row["url"] for row in client.ml_backends(project)] == ["http://127.0.0.1:9090"]
    assert [row["url"] for row in client.webhooks(project)] == ["http://127.0.0.1:9090/webhook"]


def test_a_refused_private_address_leaves_no_row_behind(
    fake: FakeLabelStudio, client: LabelStudio, settings: Settings
) -> None:
    project = fake.add_project()
    fake.blocks_private_peers = True
    for _ in range(2):
        with pytest.raises(BadRequest, match="USE_DEFAULT_BANNED_SUBNETS"):
            connect(client, settings, project)
    assert fake.state.backends == {}


def test_a_backend_that_is_down_is_explained(fake: FakeLabelStudio, client: LabelStudio, settings: Settings) -> None:
    project = fake.add_project()
    fake.peer = lambda environ, start: Response("", 500)(environ, start)
    with pytest.raises(BadRequest, match="cannot reach PapLoop at http"):
        connect(client, settings, project)


def test_label_studio_asks_with_the_password(fake: FakeLabelStudio, client: LabelStudio, settings: Settings) -> None:
    app = Flask("peer")
    asked: list[str] = []

    @app.route("/<path:name>", methods=["GET", "POST"])
    def anything(name: str) -> Response:
        asked.append(f"{name} {request.authorization.password if request.authorization else ''}")
        return jsonify(model_version="v")

    fake.peer = app
    connect(client, settings, fake.add_project())
    assert asked[:2] == ["health ml-pass-1234", "setup ml-pass-1234"]


def test_a_stranger_first_in_line_is_warned_about(
    fake: FakeLabelStudio, client: LabelStudio, settings: Settings
) -> None:
    project = fake.add_project()
    client.add_ml_backend(project, "http://sam.test:9090", "SAM")
    assert "SAM" in connect(client, settings, project).warnings[0]


def test_missing_secrets_are_asked_for(fake: FakeLabelStudio, client: LabelStudio, settings: Settings) -> None:
    project = fake.add_project()
    bare = settings.model_copy(update={"webhook_secret": Settings().webhook_secret})
    with pytest.raises(BadRequest, match="PAPLOOP_WEBHOOK_SECRET is empty"):
        connect(client, bare, project)
    open_house = Settings(public_url="http://paploop.test:9090", insecure_no_auth=True)
    connect(client, open_house, project)
    assert client.webhooks(project)[0]["headers"] == {}


def test_an_unknown_project_and_an_absent_label_studio(
    fake: FakeLabelStudio, client: LabelStudio, settings: Settings
) -> None:
    with pytest.raises(NotFound):
        connect(client, settings, 99)
    project = fake.add_project()
    fake.fail_next(1, 502, match="/api/ml/")
    with pytest.raises(LabelStudioUnavailable):
        connect(client, settings, project)
    connect(client, settings, project)
    _good(fake, project)
