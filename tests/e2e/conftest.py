"""A real stack for the end-to-end tests: Redis, Label Studio, web process and worker, as `paploop up` starts them."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from playwright.sync_api import Browser

from ml_backend.label_studio.client import LabelStudio
from ml_backend.operations.launch import probes
from ml_backend.operations.launch.stack import Stack
from ml_backend.operations.launch.up import prepare, wait_until_ready
from ml_backend.runs import request_run
from ml_backend.services import Services, build_services
from ml_backend.settings import Settings
from ml_backend.state.records import RunRow
from tests.e2e.browser import Editor, open_browser
from tests.fakes.machine import free_port
from tests.held import held
from tests.soak.faults import environment as soak_environment
from training.types import Progress

PATIENCE = 600.0

ENVIRONMENT = {
    "PAPLOOP_PULSE_INTERVAL": "0.2",
    # The tests themselves say when lost webhooks are looked for.
    "PAPLOOP_RECONCILE_INTERVAL": "86400",
    "PAPLOOP_RETRY_BASE": "1",
    "PAPLOOP_RETRY_ATTEMPTS": "20",
}


def wait_for(condition: Callable[[], object], what: str, seconds: float = PATIENCE) -> None:
    """Poll until a condition holds."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, f"{what}: did not happen in {seconds:g} s"
        time.sleep(0.02)


@dataclass
class RealStack:
    """The running programs and what tests do to them."""

    settings: Settings
    stack: Stack
    services: Services
    password: str
    """Of the expert in Label Studio."""

    @property
    def label_studio(self) -> LabelStudio:
        return self.services.label_studio

    def kill_worker(self) -> None:
        """SIGKILL the worker; the supervisor starts a new one."""
        pid = self.stack.pid("worker")
        assert pid is not None, f"the worker is down: {self.stack.tail('worker')}"
        os.kill(pid, signal.SIGKILL)
        wait_for(lambda: self.stack.pid("worker") not in (None, pid), "a new worker")

    def restart_label_studio(self, seconds_down: float) -> None:
        """Stop Label Studio for a while and wait until it answers again."""
        with held(self.stack, "label-studio"):
            time.sleep(seconds_down)
        wait_for(lambda: probes.label_studio_answers(self.settings), "Label Studio back")

    def webhooks(self, project_id: int, *, active: bool) -> None:
        """Switch a project's webhooks on or off, as somebody in Label Studio might."""
        hooks = self.label_studio.webhooks(project_id)
        assert hooks
        for hook in hooks:
            self.label_studio.update_webhook(int(hook["id"]), url=hook["url"], is_active=active)

    def settled(self, project_id: int) -> None:
        """Wait until events are applied and no run is open or due."""
        from ml_backend.experiments.simulate.watching import watch_on

        wait_for(lambda: self.services.store.events.count_open() == 0, "all events applied")
        watch_on(self.services, PATIENCE).wait_until_settled(project_id)

    def in_state(self, project_id: int, state: str, seconds: float) -> int | None:
        """The open run as soon as it is in a state; None when it is not seen there in time."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            run = self.services.store.runs.open_of(project_id)
            if run is not None and run.state == state:
                return run.id
            time.sleep(0.005)
        return None


def run_to_end(stack: RealStack, project: int, kind: str) -> RunRow:
    """Open a run, wait for it, and make sure that it ended well."""
    run = request_run(
        stack.services.store, project, kind=kind, reason="The test asks for it.", now=stack.services.clock()
    )
    stack.settled(project)
    ended = stack.services.store.runs.one(run.id)
    assert ended.state == "done", ended.error
    return ended


def ranked_tasks(stack: RealStack, project: int, count: int) -> list[int]:
    """Tasks at the head of the active ranking that nobody has labeled yet."""
    store = stack.services.store
    ranking = store.rankings.active(project)
    assert ranking is not None
    entries = store.rankings.entries(ranking.id)
    items = store.items.by_id(project, [entry.item_id for entry in entries])
    done = store.labels.ids(project)
    tasks = [items[entry.item_id].task_id for entry in entries]
    return [task for task in tasks if task is not None and task not in done][:count]


def silent(title: str) -> Progress:
    print(f"{title} ...", flush=True)
    return lambda fraction, message: None


@pytest.fixture(scope="package")
def clock_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Sets PapLoop's clock while it is there, see `tests.soak.clock`."""
    return tmp_path_factory.mktemp("clock") / "offset"


@pytest.fixture(scope="package")
def real_stack(tmp_path_factory: pytest.TempPathFactory, clock_file: Path) -> Iterator[RealStack]:
    """The whole stack in a folder of its own; stopped, and the environment as before, after this folder's last test."""
    root: Path = tmp_path_factory.mktemp("stack") / "state"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PAPLOOP_DATA_DIR", str(root))
        patch.setenv("PAPLOOP_PORT", str(free_port()))
        for name, value in {**ENVIRONMENT, **soak_environment(clock_file)}.items():
            patch.setenv(name, value)
        machine = prepare(free_port())
        machine.stack.start()
        try:
            wait_until_ready(machine, silent)
            services = build_services(machine.settings)
            yield RealStack(services.settings, machine.stack, services, machine.secrets.label_studio_password)
            services.store.close()
            services.label_studio.close()
            services.queue.connection.close()
        finally:
            machine.stack.stop()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """A headless Chromium."""
    with open_browser() as opened:
        yield opened


@pytest.fixture(scope="module")
def editor(real_stack: RealStack, browser: Browser) -> Editor:
    """The labeling screen of Label Studio, logged in."""
    return Editor.log_in(browser, real_stack.settings, real_stack.password)
