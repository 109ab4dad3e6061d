"""A whole PapLoop in a folder: real store, real files, a fake Label Studio, and time that a test moves by hand."""

from __future__ import annotations

import copy
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Self

from pydantic import SecretStr

from ml_backend.loop.cycle import execute
from ml_backend.loop.event_queue import apply_open_events
from ml_backend.loop.pulse import beat
from ml_backend.loop.steps.publish import cleanup
from ml_backend.services import Services
from ml_backend.settings import Settings
from ml_backend.state.files import DataDir
from ml_backend.state.records import NewItem, RunRow
from ml_backend.state.store import Store
from ml_backend.web.redaction import redact
from tests.fakes.label_studio import FakeLabelStudio
from tests.fakes.label_studio_faults import Faults
from tests.fakes.label_studio_routes import build_app
from training.data.images import content_hash, load_rgb

NOW = 1_800_000_000.0
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
    """Time that a test moves by hand; each look at it takes `tick` seconds, so that no two moments are alike."""

    def __init__(self, now: float = NOW, tick: float = 0.001) -> None:
        self.now, self.tick = now, tick

    def __call__(self) -> float:
        self.now += self.tick
        return self.now


def settings_in(root: Path, **changes: Any) -> Settings:
    """Settings of a PapLoop in a folder, with secrets."""
    secret = SecretStr("a" * 40)
    return Settings(data_dir=root, **{"webhook_secret": secret, "media_secret": secret, "threads": 1, **changes})


def open_services(
    settings: Settings, fake: FakeLabelStudio | None = None, clock: Callable[[], float] | None = None
) -> Services:
    """Services over a real store and real files, with a queue that only remembers; without a fake nothing answers."""
    files, queue = DataDir(settings.data_dir), ListQueue()
    store, client = Store.open(settings.resolved_database_url), fake.client() if fake is not None else None
    any_queue: Any = queue
    return Services(settings, store, files, clock or Clock(), client, any_queue)


@dataclass
class World:
    """A PapLoop in a folder; what is built on it adds what it knows."""

    services: Services

    @property
    def store(self) -> Store:
        return self.services.store

    @property
    def clock(self) -> Clock:
        assert isinstance(self.services.clock, Clock)
        return self.services.clock

    @property
    def now(self) -> float:
        """The moment that the clock shows, in unix seconds; looking moves nothing."""
        return self.clock.now

    @property
    def queue(self) -> ListQueue:
        queue: Any = self.services.queue
        assert isinstance(queue, ListQueue)
        return queue

    @property
    def jobs(self) -> list[tuple[str, tuple[Any, ...]]]:
        return list(self.queue.jobs)


@dataclass
class Studio(World):
    """A PapLoop with one project of a fake Label Studio."""

    fake: FakeLabelStudio
    project: int

    @classmethod
    def begin(cls, root: Path, config: str, title: str = "Cells", clock: Clock | None = None) -> Self:
        """A connected project without images."""
        fake = FakeLabelStudio()
        services = open_services(settings_in(root), fake, clock)
        project = fake.add_project(config, sampling="Uncertainty sampling")
        services.label_studio.create_webhook(project, HOOK)
        services.store.projects.upsert(project, title, config, services.clock())
        return cls(services, fake, project)

    def copied(self, root: Path) -> Self:
        """The same database, files and Label Studio once more."""
        shutil.copytree(self.services.files.root, root)
        settings = self.services.settings.model_copy(update={"data_dir": root})
        fake = copy.copy(self.fake)
        fake.state, fake.faults, fake.calls, fake.sent = copy.copy(self.fake.state), Faults(), [], []
        for name, value in vars(self.fake.state).items():
            if isinstance(value, dict | list | set):
                setattr(fake.state, name, copy.deepcopy(value))
        fake.app = build_app(fake)
        return replace(self, services=open_services(settings, fake, self.services.clock), fake=fake)

    def take_in(self, folder: Path, names: Sequence[str]) -> list[int]:
        """One task and one item for each image of a folder, without looking for copies; returns the tasks."""
        tasks = self.services.label_studio.import_tasks(self.project, [{"data": {"image": name}} for name in names])
        new = []
        for name, task in zip(names, tasks, strict=True):
            path = folder / name
            height, width = load_rgb(path).shape[:2]
            where = {"root": str(folder), "name": name}
            digest = content_hash(path)
            new.append(NewItem(str(path), task, digest, state="ready", width=width, height=height, data=where))
        self.store.items.add(self.project, new, self.services.clock())
        return tasks

    def deliver(self) -> None:
        """Hand over the webhooks that the fake has sent, each to its project, as the web process does."""
        while self.fake.sent:
            body = redact(self.fake.sent.pop(0)["body"])
            self.store.events.add(int(body["project"]["id"]), body["action"], body, self.services.clock())

    def apply(self) -> None:
        self.deliver()
        apply_open_events(self.services)

    def work(self) -> bool:
        """Deliver, beat and do the jobs that were queued, as web process and worker do; False where there was none."""
        self.deliver()
        beat(self.services)
        jobs, self.queue.jobs = self.queue.jobs, []
        for job, arguments in jobs:
            if job == "run_job":
                execute(self.services, *arguments)
            elif job == "cleanup_job":
                cleanup(self.services, *arguments)
        return any(job != "reconcile_job" for job, _ in jobs)

    def settle(self, *, beats: int = 30) -> RunRow:
        """Work until nothing is left to do; returns the newest run."""
        for _ in range(beats):
            if not self.work():
                break
        return self.store.runs.latest(self.project)[0]

    def versions(self) -> dict[str, int]:
        return self.services.label_studio.model_versions(self.project)

    def prediction_counts(self) -> dict[int, int]:
        """Task -> predictions of the version that annotators see."""
        active = self.fake.state.projects[self.project]["model_version"]
        return {
            task["id"]: sum(p["model_version"] == active for p in self.fake.state.predictions_of(task["id"]))
            for task in self.fake.state.tasks_of(self.project)
        }
