"""What is done to the stack: one function a fault, which answers when everything is well again."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import httpx
import numpy as np

from ml_backend import kin
from ml_backend.runs import request_run
from tests.soak.scene import Scene, wait_for

REPEATED = 60
"""Stored events that are sent again."""
WEEK = 7 * 86400.0
POISON: tuple[dict[str, Any], ...] = (
    {"action": "ANNOTATION_CREATED", "annotation": {"id": 2**70, "task": 1, "result": [], "was_cancelled": False}},
    {"action": "ANNOTATION_UPDATED", "annotation": {"id": 999_999_991, "task": 2**63, "result": [{"value": 1e308}]}},
    {
        "action": "ANNOTATION_CREATED",
        "annotation": {"id": 999_999_992, "task": 2**64, "result": "x", "lead_time": "nan"},
    },
    {"action": "ANNOTATIONS_DELETED", "annotations": [{"id": 10**30}, {"id": None}, 7]},
    {"action": "TASKS_CREATED", "tasks": [{"id": 2**65, "data": {"image": ["\x00", {}]}}]},
    {"action": "TASKS_DELETED", "tasks": [{"id": 2**64}]},
)
"""Bodies that no Label Studio sends."""


@dataclass(frozen=True)
class Fault:
    """One thing that goes wrong.

    Attributes:
        name: in words, for the report.
        strike: does it, and returns when what it hit is well again.
        seconds: that it takes at least.
    """

    name: str
    strike: Callable[[Scene, int, np.random.Generator], None]
    seconds: float = 3.0


@contextlib.contextmanager
def trouble(scene: Scene, name: str) -> Iterator[None]:
    """Something is wrong meanwhile."""
    scene.troubles.append(name)
    try:
        yield
    finally:
        scene.troubles.remove(name)


def killed(name: str) -> Fault:
    """SIGKILL of a program."""

    def strike(scene: Scene, _project: int, _rng: np.random.Generator) -> None:
        before = scene.kill(name)
        wait_for(lambda: scene.is_back(name, before), f"{name} is back")

    return Fault(f"{name} killed", strike)


def _job_killed(scene: Scene, project: int, rng: np.random.Generator) -> None:
    """SIGKILL of the process that works on a run."""
    request_run(
        scene.services.store, project, kind="rank", reason="The soak kills this run's job.", now=scene.services.clock()
    )
    worker = scene.stack.pid("worker")
    jobs: list[int] = []

    def found() -> bool:
        jobs[:] = kin.descendants(worker) if worker is not None else []
        return bool(jobs) or worker != scene.stack.pid("worker")

    wait_for(found, "the worker starts a job")
    time.sleep(float(rng.uniform(0.5, 4)))
    kin.kill_all(jobs)


def paused(seconds: float, meanwhile: tuple[Fault, ...] = ()) -> Fault:
    """Label Studio stands still (SIGSTOP), while other things may go wrong too."""

    def strike(scene: Scene, project: int, rng: np.random.Generator) -> None:
        ends = time.monotonic() + seconds
        pids = scene.pids("label-studio")
        kin.kill_all(pids, signal.SIGSTOP)
        try:
            for number, fault in enumerate(meanwhile):
                time.sleep(max(0.0, min(seconds / (len(meanwhile) + 1), ends - time.monotonic())))
                print(f"    meanwhile {number + 1} of {len(meanwhile)}: {fault.name}", flush=True)
                fault.strike(scene, project, rng)
            time.sleep(max(0.0, ends - time.monotonic()))
        finally:
            kin.kill_all(pids, signal.SIGCONT)
        wait_for(lambda: scene.answers("label-studio"), "Label Studio goes on")

    words = f"{seconds / 60:g} minutes" if seconds >= 60 else f"{seconds:g} s"
    also = f" (meanwhile: {', '.join(fault.name for fault in meanwhile)})" if meanwhile else ""
    return Fault(f"Label Studio paused for {words}{also}", strike, seconds)


def disk_full(seconds: float) -> Fault:
    """The disk of the data directory takes nothing for a while."""

    def strike(scene: Scene, _project: int, _rng: np.random.Generator) -> None:
        ends = time.monotonic() + seconds
        try:
            while time.monotonic() < ends:
                scene.disk.fill()
                time.sleep(0.2)
        finally:
            scene.disk.free()
        wait_for(lambda: scene.answers("web"), "the web process answers")

    return Fault(f"disk full for {seconds:g} s", strike, seconds)


def post_event(scene: Scene, body: dict[str, Any]) -> int:
    """Send a webhook as Label Studio does; answers the status, 0 where there was no answer."""
    secret = scene.services.settings.webhook_secret.get_secret_value()
    address = f"http://127.0.0.1:{scene.settings.port}/webhook"
    headers = {"Authorization": f"Bearer {secret}"}
    try:
        return httpx.post(address, json=body, headers=headers, timeout=30, trust_env=False).status_code
    except httpx.HTTPError:
        return 0


def _repeated(scene: Scene, _project: int, rng: np.random.Generator) -> None:
    """The last events come again, twice each and in any order."""
    bodies = [body for body in stored_events(scene) if body["action"].startswith("ANNOTATION")][-REPEATED:]
    for place in rng.permutation(2 * len(bodies)).tolist():
        post_event(scene, bodies[place % len(bodies)])


def stored_events(scene: Scene) -> list[dict[str, Any]]:
    """Bodies of the events that PapLoop has taken, oldest first."""
    from sqlalchemy import create_engine, text

    engine = create_engine(scene.services.settings.resolved_database_url)
    with engine.connect() as connection:
        rows = connection.execute(text("SELECT body FROM events ORDER BY id")).scalars().all()
    engine.dispose()
    return [json.loads(body) if isinstance(body, str) else body for body in rows]


def _poison(scene: Scene, project: int, _rng: np.random.Generator) -> None:
    """Bodies with impossible numbers and wrong kinds, which must be refused or set aside."""
    for body in POISON:
        status = post_event(scene, {**body, "project": {"id": project}})
        assert status < 500, f"the web process answered {status} to {body['action']}"


def clock_jump(seconds: float) -> Fault:
    """The clock of web process and worker is a week ahead for a while, and then jumps back."""

    def strike(scene: Scene, _project: int, _rng: np.random.Generator) -> None:
        assert scene.clock_file is not None
        scene.clock_file.write_text(str(WEEK))
        try:
            time.sleep(seconds)
        finally:
            scene.clock_file.unlink()

    return Fault(f"clock a week ahead for {seconds:g} s, then back", strike, seconds)


JOB_KILLED = Fault("the job of a run killed", _job_killed)
REPEATED_EVENTS = Fault("webhooks doubled and shuffled", _repeated)
POISON_EVENTS = Fault("poison events", _poison)


def pids_of_paploop(scene: Scene) -> list[int]:
    """Web process and worker with their children."""
    return [*scene.pids("web"), *scene.pids("worker")]


def environment(clock_file: Any) -> dict[str, str]:
    """What PapLoop's programs need so that a soak can set their clock."""
    from tests.soak.scene import CLOCK_FILE, CLOCK_FOLDER

    path = os.pathsep.join(filter(None, (str(CLOCK_FOLDER), os.environ.get("PYTHONPATH", ""))))
    return {CLOCK_FILE: str(clock_file), "PYTHONPATH": path}
