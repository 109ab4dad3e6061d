"""The fake does what the real Label Studio was seen to do, and its webhooks look like the recorded ones."""

from __future__ import annotations

import httpx
import pytest
from flask import Flask, request

from ml_backend.errors import LabelStudioUnavailable
from ml_backend.label_studio.client import LabelStudio
from tests.fakes.label_studio import LEGACY, FakeLabelStudio, choice
from tests.fakes.label_studio_behaviour import RECORDED, observe


def test_the_fake_agrees_with_the_recording(client: LabelStudio) -> None:
    assert observe(client) == RECORDED


def test_webhooks_have_the_recorded_shape_and_obey_their_settings(fake: FakeLabelStudio, client: LabelStudio) -> None:
    project = fake.add_project()
    every = client.create_webhook(project, "http://paploop.test/webhook")
    client.create_webhook(
        project,
        "http://narrow.test/webhook",
        send_for_all_actions=False,
        actions=["TASKS_DELETED"],
        headers={"Authorization": "Bearer s3cret"},
    )
    ids = client.import_tasks(project, [{"data": {"image": "a.png"}}, {"data": {"image": "b.png"}}])
    made = client.create_annotation(ids[0], choice("Cat"), 3.2)["id"]
    client.update_annotation(made, result=choice("Dog"))
    fake.annotate(ids[1], None, user=2)
    client.delete_annotation(made)
    client.delete_tasks(project, [ids[1]])
    bodies = [sent["body"] for sent in fake.sent if sent["url"] == every["url"]]
    assert [(body["action"], sorted(set(body) - {"action", "project"})) for body in bodies] == [
        ("TASKS_CREATED", ["tasks"]),
        ("ANNOTATION_CREATED", ["annotation", "task"]),
        ("ANNOTATION_UPDATED", ["annotation", "task"]),
        ("ANNOTATION_CREATED", ["annotation", "task"]),
        ("ANNOTATIONS_DELETED", ["annotations"]),
        ("TASKS_DELETED", ["tasks"]),
    ]
    assert bodies[1]["annotation"]["result"] == choice("Cat")
    assert bodies[3]["annotation"]["was_cancelled"]
    assert bodies[4]["annotations"] == [{"id": made}]
    assert all(body["project"]["id"] == project for body in bodies)
    narrow = [sent for sent in fake.sent if sent["url"] == "http://narrow.test/webhook"]
    assert [(sent["body"]["action"], sent["headers"]) for sent in narrow] == [
        ("TASKS_DELETED", {"Authorization": "Bearer s3cret"})
    ]


def test_dropped_webhooks_and_a_peer_that_fails_lose_no_annotation(fake: FakeLabelStudio, client: LabelStudio) -> None:
    project = fake.add_project(tasks=3)
    client.create_webhook(project, "http://paploop.test/webhook")
    app = Flask("peer")
    got: list[str] = []

    @app.post("/webhook")
    def webhook() -> tuple[str, int]:
        got.append((request.get_json() or {})["action"])
        return "", 500

    fake.peer = app
    client.create_annotation(1, choice("Cat"))
    fake.drop_webhooks = True
    client.create_annotation(2, choice("Cat"))
    fake.drop_webhooks = False
    client.create_annotation(3, choice("Cat"))
    assert got == ["ANNOTATION_CREATED"] * 2
    assert set(client.annotation_ids(project)) == {1, 2, 3}


def test_faults_strike_where_asked(fake: FakeLabelStudio, client: LabelStudio) -> None:
    project = fake.add_project(tasks=2)
    prediction = [{"task": 1, "score": 0.5, "model_version": "v", "result": []}]
    fake.fail_next(2, 503, match="import/predictions")
    client.whoami()
    for _ in range(2):
        with pytest.raises(LabelStudioUnavailable):
            client.import_predictions(project, prediction)
    assert client.model_versions(project) == {}
    fake.lose_answer(match="import/predictions")
    with pytest.raises(LabelStudioUnavailable, match="did not respond"):
        client.import_predictions(project, prediction)
    assert client.model_versions(project) == {"v": 1}


def test_over_a_socket(fake: FakeLabelStudio) -> None:
    project = fake.add_project(tasks=2)
    with fake.serve() as url:
        client = LabelStudio(url, LEGACY, timeout=30)
        assert client.task_ids(project) == {1, 2}
        fake.down = True
        with pytest.raises(LabelStudioUnavailable):
            client.whoami()
        client.close()
    with pytest.raises(httpx.HTTPError):
        httpx.get(url + "/health", timeout=2)
