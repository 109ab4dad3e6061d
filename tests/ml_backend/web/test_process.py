"""The web process as it starts: light, quiet, alone."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import httpx
import pytest

from ml_backend.operations.launch.programs import web
from ml_backend.settings import Settings
from tests.benchmarks.bench_web import slow_connections
from tests.fakes.machine import free_port
from tests.ml_backend.web.conftest import PASSWORD, make_settings

HEAVY = [
    "torch",
    "torchvision",
    "timm",
    "sklearn",
    "scipy",
    "label_studio_sdk",
    "pandas",
    "faiss",
    "matplotlib",
    "cv2",
    "rq",
]
MEGABYTES = 400

PROBE = """
import json, sys
from pathlib import Path
from ml_backend.web.app import create_app
from ml_backend.services import build_services
from ml_backend.settings import Settings

services = build_services(Settings(data_dir=Path(sys.argv[1])))
services.store.projects.upsert(3, "x", sys.argv[3], 1.0)
client = create_app(services).test_client()
password = services.settings.basic_auth_password.get_secret_value()
bearer = {"Authorization": "Bearer " + services.settings.webhook_secret.get_secret_value()}
codes = [
    client.get("/health", auth=("paploop", password)).status_code,
    client.post("/setup", json={"project": "3.1"}, auth=("paploop", password)).status_code,
    client.post("/predict", json={"project": 3, "tasks": [{"id": 1}]}, auth=("paploop", password)).status_code,
    client.post("/webhook", json={"action": "PROJECT_UPDATED", "project": {"id": 3}}, headers=bearer).status_code,
]
heavy = [name for name in json.loads(sys.argv[2]) if name in sys.modules]
later = [
    client.post("/api/projects/3/train", auth=("paploop", password)).status_code,
    client.get("/dashboard/3", auth=("paploop", password)).status_code,
    client.get("/metrics", auth=("paploop", password)).status_code,
]
# getrusage would count what the test process held before the fork.
peak = int(Path("/proc/self/status").read_text().split("VmHWM:")[1].split()[0]) / 1024
print(json.dumps([codes, heavy, later, "torch" in sys.modules, peak]))
"""
CONFIG = """<View><Image name="i" value="$image"/>
<Choices name="c" toName="i"><Choice value="A"/><Choice value="B"/></Choices></View>"""


@pytest.mark.slow
def test_it_starts_and_serves_without_anything_heavy(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", PROBE, str(tmp_path), json.dumps(HEAVY), CONFIG],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    codes, heavy, later, has_torch, peak = json.loads(done.stdout.splitlines()[-1])
    assert codes == [200, 200, 200, 201]
    assert heavy == []
    assert later == [202, 200, 200]
    assert not has_torch, "a button on the dashboard must not load torch into the web process"
    assert peak < MEGABYTES, peak


PATIENCE = 120.0


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return make_settings(tmp_path, port=free_port())


def start(settings: Settings) -> subprocess.Popen[bytes]:
    """The real web process; answers once it is ready."""
    program = web(settings)
    secret = {
        "PAPLOOP_BASIC_AUTH_PASSWORD": PASSWORD,
        "PAPLOOP_MEDIA_SECRET": settings.media_secret.get_secret_value(),
    }
    process = subprocess.Popen(program.command, env={**os.environ, **program.environment, **secret})
    with httpx.Client(transport=httpx.HTTPTransport(retries=20), timeout=PATIENCE) as client:
        client.get(f"http://127.0.0.1:{settings.port}/health")
    return process


@pytest.fixture
def process(settings: Settings) -> Iterator[subprocess.Popen[bytes]]:
    process = start(settings)
    yield process
    process.kill()
    process.wait()


@pytest.fixture
def opened() -> Iterator[ExitStack]:
    """Closes connections after the test."""
    with ExitStack() as stack:
        yield stack


def health(settings: Settings) -> int:
    address = f"http://127.0.0.1:{settings.port}/health"
    return httpx.get(address, auth=("paploop", PASSWORD), timeout=PATIENCE).status_code


def test_sixty_four_slow_connections_delay_nobody(
    process: subprocess.Popen[bytes], settings: Settings, opened: ExitStack
) -> None:
    held = [opened.enter_context(place) for place in slow_connections(settings.port, 64)]
    # With a thread for each of them the first call would wait until they are gone, which they are not.
    assert [health(settings) for _ in range(20)] == [200] * 20
    held[0].sendall(b"1\r\n\r\n")
    assert held[0].recv(8192).startswith(b"HTTP/1.1 401"), "a slow caller gets an answer as well"
    assert process.poll() is None


def test_sigterm_ends_it_in_order_and_frees_the_port(
    process: subprocess.Popen[bytes], settings: Settings, opened: ExitStack
) -> None:
    for place in slow_connections(settings.port, 8):
        opened.enter_context(place)
    process.send_signal(signal.SIGTERM)
    assert process.wait(PATIENCE) == 0
    again = start(settings)
    try:
        assert health(settings) == 200
    finally:
        again.kill()
        again.wait()
