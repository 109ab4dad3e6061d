from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from ml_backend.cycle import execute
from ml_backend.demo.cells import write_cells
from ml_backend.event_queue import apply_open_events
from ml_backend.ingest import ingest
from ml_backend.launch.projects import classes_of, label_config
from ml_backend.pulse import beat
from ml_backend.redaction import redact
from ml_backend.runs import request_run
from ml_backend.services import Services
from ml_backend.settings import Settings
from ml_backend.state.files import DataDir
from ml_backend.state.records import RunRow
from ml_backend.state.store import Store
from tests.fakes.label_studio import FakeLabelStudio, choice
from training.types import Progress

HOOK = "http://paploop.test/webhook"


class ListQueue:
    """Remembers what was queued; the tests do the work themselves, where a worker would."""

    def __init__(self) -> None:
        self.jobs: list[tuple[str, tuple[Any, ...]]] = []

    def put(self, job: str, *arguments: Any, key: str, lane: str = "short") -> bool:
        if (job, arguments) in self.jobs:
            return False
        self.jobs.append((job, arguments))
        return True


class Clock:
    """Time that a test moves by hand."""

    def __init__(self) -> None:
        self.now = 1_800_000_000.0

    def __call__(self) -> float:
        self.now += 0.001
        return self.now


def quiet(title: str) -> Progress:
    return lambda fraction, message: None


@dataclass
class Loop:
    """A whole PapLoop over a fake Label Studio: real store, real files, real encoder, real training."""

    services: Services
    fake: FakeLabelStudio
    project: int
    truth: dict[int, str] = field(default_factory=dict)

    @property
    def store(self) -> Store:
        return self.services.store

    @property
    def jobs(self) -> list[tuple[str, tuple[Any, ...]]]:
        queue: Any = self.services.queue
        return list(queue.jobs)

    def deliver(self) -> None:
        """Hand over the webhooks that the fake has sent, as the web process does."""
        for sent in self.fake.sent:
            body = redact(sent["body"])
            self.store.add_event(self.project, body["action"], body, self.services.clock())
        self.fake.sent.clear()

    def label(self, count: int, wrong: int = 0) -> list[int]:
        """Answer the next `count` tasks truthfully, in the order of the label stream; answers their ids."""
        client, done = self.services.label_studio, []
        for number in range(count):
            task = client.next_task(self.project)
            assert task is not None
            classes = sorted(set(self.truth.values()))
            name = self.truth[task["id"]]
            if number < wrong:
                name = classes[(classes.index(name) + 1) % len(classes)]
            client.create_annotation(task["id"], choice(name, "class", "image"), 1.0)
            done.append(int(task["id"]))
        return done

    def settle(self, *, beats: int = 30) -> RunRow:
        """Beat and work until nothing is left to do; answers the newest run."""
        from ml_backend.steps.publish import cleanup

        for _ in range(beats):
            self.deliver()
            beat(self.services)
            queue: Any = self.services.queue
            jobs, queue.jobs = [job for job in queue.jobs if job[0] != "reconcile_job"], []
            for job, arguments in jobs:
                if job == "run_job":
                    execute(self.services, *arguments)
                elif job == "cleanup_job":
                    cleanup(self.services, *arguments)
            if not jobs:
                break
        return self.store.runs(self.project)[0]

    def versions(self) -> dict[str, int]:
        return self.services.label_studio.model_versions(self.project)

    def prediction_counts(self) -> dict[int, int]:
        """Task -> predictions of the version that annotators see."""
        active = self.fake.state.projects[self.project]["model_version"]
        return {
            task["id"]: sum(p["model_version"] == active for p in self.fake.state.predictions_of(task["id"]))
            for task in self.fake.state.tasks_of(self.project)
        }

    def apply(self) -> None:
        self.deliver()
        apply_open_events(self.services)


@pytest.fixture(scope="session")
def cells(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("cells")
    write_cells(folder, lambda fraction, message: None, count=90)
    return folder


def make_loop(root: Path, folder: Path) -> Loop:
    clock = Clock()
    fake = FakeLabelStudio()
    secret = SecretStr("a" * 40)
    settings = Settings(data_dir=root, webhook_secret=secret, media_secret=secret, threads=1)
    queue: Any = ListQueue()
    files = DataDir(root)
    services = Services(settings, Store.open(settings.resolved_database_url), files, clock, fake.client(), queue)
    config = label_config(classes_of(folder))
    project = fake.add_project(config, sampling="Uncertainty sampling")
    services.label_studio.create_webhook(project, HOOK)
    services.store.upsert_project(project, "Cells", config, clock())
    loop = Loop(services, fake, project)
    ingest(services, project, folder, stage=quiet)
    loop.truth = {
        int(item.task_id): item.data["name"].split("/")[-2]
        for item in services.store.items(project)
        if item.task_id is not None
    }
    return loop


@pytest.fixture
def loop(tmp_path: Path, cells: Path) -> Iterator[Loop]:
    made = make_loop(tmp_path / "state", cells)
    yield made
    made.store.close()


@pytest.fixture(scope="package")
def labelled(tmp_path_factory: pytest.TempPathFactory, cells: Path) -> Iterator[Loop]:
    """A project with 30 labels and a run that nobody has begun."""
    loop = make_loop(tmp_path_factory.mktemp("labelled") / "state", cells)
    request_run(loop.services, loop.project, kind="rank", reason="First order.")
    loop.settle()
    loop.label(30)
    loop.apply()
    request_run(loop.services, loop.project, kind="train", reason="By hand.")
    yield loop
    loop.store.close()


@pytest.fixture
def scene(labelled: Loop, tmp_path: Path) -> Iterator[Loop]:
    from tests.loop.kills import copy_of

    loop = copy_of(labelled, tmp_path / "state")
    yield loop
    loop.store.close()
