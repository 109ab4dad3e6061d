"""A web application over a real store in a temporary folder; no Label Studio, no Redis, no model."""

import base64
import json
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from flask import Flask
from flask.testing import FlaskClient
from pydantic import SecretStr

from ml_backend.images.media_url import media_url
from ml_backend.settings import Settings
from ml_backend.state.files import DataDir
from ml_backend.state.records import AnnotationRow, NewItem, RankingEntry
from ml_backend.state.store import Store
from ml_backend.web.app import create_app
from tests.fakes.runs import open_run
from tests.fakes.world import Clock, World, open_services

FIXTURES = Path(__file__).parents[2] / "fixtures" / "label_studio"
CONFIG = (
    '<View><Image name="img" value="$image"/><Choices name="choice" toName="img" choice="single">'
    '<Choice value="Cat"/><Choice value="Dog"/></Choices></View>'
)
PASSWORD = "correct horse"
SECRET = "webhook secret"


def recorded(name: str) -> dict[str, Any]:
    """A recorded exchange: request and response."""
    return json.loads((FIXTURES / f"{name}.json").read_text())


def basic(user: str = "paploop", password: str = PASSWORD) -> dict[str, str]:
    return {"Authorization": "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()}


def bearer(secret: str = SECRET) -> dict[str, str]:
    return {"Authorization": f"Bearer {secret}"}


class Reader(FlaskClient):
    """A client that reads every answer to its end, so that no file stays open."""

    def open(self, *args: Any, buffered: bool = True, **options: Any) -> Any:
        return super().open(*args, buffered=buffered, **options)


@dataclass
class WebWorld(World):
    """The application, and a browser that knows the password; time stands still."""

    app: Flask
    client: FlaskClient

    def call(self, path: str, body: Any = None, **options: Any) -> Any:
        method = options.pop("method", "GET" if body is None else "POST")
        headers = {**basic(), **options.pop("headers", {})}
        return self.client.open(path, method=method, json=body, headers=headers, **options)


def make_settings(folder: Path, **changes: Any) -> Settings:
    return Settings(
        data_dir=folder,
        basic_auth_password=SecretStr(PASSWORD),
        webhook_secret=SecretStr(SECRET),
        media_secret=SecretStr("media secret"),
        label_studio_url="http://127.0.0.1:8080",
        **changes,
    )


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """An empty folder for images."""
    path = tmp_path / "images"
    path.mkdir()
    return path


@pytest.fixture(scope="session")
def empty_database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Migrated once; every test gets a copy."""
    path = tmp_path_factory.mktemp("template") / "paploop.db"
    Store.open(f"sqlite:///{path}").close()
    return path


@pytest.fixture
def world(tmp_path: Path, empty_database: Path) -> Iterator[WebWorld]:
    settings = make_settings(tmp_path / "data")
    shutil.copy(empty_database, DataDir(settings.data_dir).root / "paploop.db")
    services = open_services(settings, clock=Clock(tick=0.0))
    app = create_app(services)
    app.test_client_class = Reader
    yield WebWorld(services, app, app.test_client())
    app.extensions["paploop-inbox"].close()
    services.store.close()


@dataclass
class Loop:
    """Ids of a project on which a model was promoted and an order published."""

    project: int
    items: list[int]
    tasks: list[int]
    run: int
    version: str


def add_items(world: WebWorld, project: int, tasks: list[int], folder: str = "/nowhere") -> list[int]:
    rows = [
        NewItem(
            source=f"{folder}/cell{task}.png",
            task_id=task,
            state="ready",
            encoder="fake",
            vector_row=row,
            data={"root": folder, "name": f"cell{task}.png"},
        )
        for row, task in enumerate(tasks)
    ]
    return world.store.items.add(project, rows, world.now)


def image_data(world: WebWorld, project: int, item: int, task: int) -> dict[str, str]:
    return {"image": media_url(world.services.settings, project, item, f"cell{task}.png")}


@pytest.fixture
def loop(world: WebWorld) -> Loop:
    """Project 3 with tasks 1..4 predicted and ranked (task 4 first), task 5 known and not predicted."""
    world.store.projects.upsert(3, "ml demo", CONFIG, world.now)
    tasks = [1, 2, 3, 4, 5]
    items = add_items(world, 3, tasks)
    run = open_run(world.store, 3, reason="20 new labels", now=world.now)
    probs = np.array([[0.9, 0.1], [0.2, 0.8], [0.6, 0.4], [0.5, 0.5]], np.float32)
    world.store.answers.save(run.id, items[:4], probs, ["Cat", "Dog"])
    model = world.services.files.run_dir(run.id) / "checkpoint" / "model.json"
    model.parent.mkdir(parents=True)
    model.write_text("{}")
    measured = {"macro_f1": 0.75, "confusion": [[6, 2], [2, 6]]}
    world.store.runs.update(
        run.id,
        state="done",
        decision="promoted",
        decision_reason="First model: macro-F1 0.750 on 16 held-out items.",
        request={"labels": 40, "classes": ["Cat", "Dog"], "encoder": "fake", "encoder_name": "lite0"},
        metrics={"judgement": {"candidate": measured}},
        progress=1.0,
        finished_at=world.now + 12,
    )
    entries = [
        RankingEntry(item_id=item, position=place, score=place / 4, utility=1.0 - place / 4, why=f"reason {place}")
        for place, item in enumerate(reversed(items[:4]))
    ]
    ranking = world.store.rankings.add(
        3, run.id, run.id, "paploop-3-1-abc", "entropy", {"note": ""}, entries, world.now
    )
    world.store.rankings.activate(ranking, run.id)
    return Loop(3, items, tasks, run.id, "paploop-3-1-abc")


def annotate(world: WebWorld, task: int, label: str, number: int | None = None) -> None:
    result = [{"id": "r", "from_name": "choice", "to_name": "img", "type": "choices", "value": {"choices": [label]}}]
    row = AnnotationRow(
        id=number or 100 + task, task_id=task, completed_by=1, result=result, updated_at="2026-11-21T09:31:41.000000Z"
    )
    world.store.labels.upsert(3, [row], world.now)
