"""Latencies of the web process while a worker trains, predicts and writes: one JSON line a measurement.

The baseline is the limit that issue and users set, the ratio limit / value: at least 1 is good.
"""

import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from base64 import b64encode
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from ml_backend.services import Services, build_services
from ml_backend.settings import Settings
from ml_backend.state.records import NewItem, RankingEntry
from tests.fakes.machine import free_port
from tests.fakes.runs import open_run

ITEMS = 10_000
LATENCIES = ("webhook_p99", "health_p99", "setup_p99", "predict_one_p99", "predict_600_per_task")
NAMES = (
    *(f"{name}_{when}" for name in LATENCIES for when in ("idle", "training")),
    "health_p99_slow",
    "web_memory_peak",
)
FIXTURES = Path(__file__).parents[1] / "fixtures" / "label_studio"
CONFIG = (
    '<View><Image name="img" value="$image"/><Choices name="choice" toName="img">'
    '<Choice value="Cat"/><Choice value="Dog"/></Choices></View>'
)
TRAINER = "tests.benchmarks.load_worker"


def line(name: str, value: float, unit: str, limit: float) -> dict[str, Any]:
    ratio = round(limit / value, 3)
    return {"name": name, "value": round(value, 3), "unit": unit, "baseline": limit, "ratio": ratio, "target": 1.0}


def seed(services: Services) -> None:
    """A project of 10,000 ranked and predicted items."""
    store = services.store
    store.projects.upsert(3, "bench", CONFIG, 1.0)
    rows = [NewItem(source=f"task:{n}", task_id=n, state="ready", data={"image": "x"}) for n in range(1, ITEMS + 1)]
    ids = store.items.add(3, rows, 1.0)
    run = open_run(store, 3, reason="bench")
    rng = np.random.default_rng(0)
    store.answers.save(run.id, ids, rng.dirichlet([1, 1], len(ids)).astype(np.float32), ["Cat", "Dog"])
    store.runs.update(run.id, state="done", decision="promoted")
    entries = [RankingEntry(item, place, place / ITEMS, 0.5, "") for place, item in enumerate(ids)]
    store.rankings.activate(store.rankings.add(3, run.id, run.id, "bench-1", "entropy", {}, entries, 1.0), run.id)


@contextmanager
def running(command: list[str], environment: dict[str, str], nice: int = 0) -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen(
        ["nice", "-n", str(nice), *command], env={**os.environ, **environment}, start_new_session=True
    )
    try:
        yield process
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        process.wait(20)


class Caller:
    """One kept-alive connection, as Label Studio's processes have many short ones."""

    def __init__(self, port: int, services: Services) -> None:
        self.port = port
        password = services.settings.basic_auth_password.get_secret_value()
        self.basic = "Basic " + b64encode(f"{services.settings.basic_auth_user}:{password}".encode()).decode()
        self.bearer = f"Bearer {services.settings.webhook_secret.get_secret_value()}"

    def __call__(self, method: str, path: str, body: Any = None) -> float:
        """Seconds to the whole answer, with a fresh connection each time as Label Studio does."""
        data = None if body is None else json.dumps(body).encode()
        headers = {"Authorization": self.bearer if path == "/webhook" else self.basic}
        if data is not None:
            headers["Content-Type"] = "application/json"
        started = time.perf_counter()
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        connection.request(method, path, data, headers)
        answer = connection.getresponse()
        answer.read()
        connection.close()
        assert answer.status < 300, (path, answer.status)
        return time.perf_counter() - started

    def wait(self) -> None:
        for _ in range(600):
            try:
                self("GET", "/health")
            except OSError:
                time.sleep(0.1)
            else:
                return
        raise SystemExit("The web process did not start.")


def p99(call: Callable[[int], float], times: int) -> float:
    """The 99th percentile of `times` calls, ms."""
    return float(np.percentile([call(number) for number in range(times)], 99) * 1000)


def slow_connections(port: int, count: int) -> list[socket.socket]:
    """Unfinished heads, unfinished bodies, idle connections and answers that nobody reads, in turn."""
    said = (
        b"GET /health HTTP/1.1\r\nHost: x\r\nX: ",
        b"POST /predict HTTP/1.1\r\nHost: x\r\nContent-Length: 60000\r\n\r\n{",
        b"",
        b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n" * 20,
    )
    held = []
    for number in range(count):
        held.append(socket.create_connection(("127.0.0.1", port), timeout=120))
        held[-1].sendall(said[number % len(said)])
    return held


def tasks(first: int, count: int) -> list[dict[str, Any]]:
    base = json.loads((FIXTURES / "ml_predict_single.json").read_text())["request"]["body"]["tasks"][0]
    return [{**base, "id": first + number} for number in range(count)]


def measure(call: Caller, suffix: str) -> Iterator[dict[str, Any]]:
    event = json.loads((FIXTURES / "webhook_annotation_created.json").read_text())["request"]["body"]
    setup = {"project": "3.1", "schema": CONFIG}
    latencies: dict[str, tuple[Callable[[], float], str, float]] = {
        "webhook_p99": (lambda: p99(lambda _: call("POST", "/webhook", event), 500), "ms", 50),
        "health_p99": (lambda: p99(lambda _: call("GET", "/health"), 500), "ms", 50),
        "setup_p99": (lambda: p99(lambda _: call("POST", "/setup", setup), 500), "ms", 300),
        "predict_one_p99": (
            lambda: p99(lambda n: call("POST", "/predict", {"project": 3, "tasks": tasks(1 + n, 1)}), 300),
            "ms",
            50,
        ),
        "predict_600_per_task": (
            lambda: p99(lambda n: call("POST", "/predict", {"project": 3, "tasks": tasks(1 + n, 600)}), 20) / 600,
            "ms/task",
            50,
        ),
    }
    for name, (run, unit, limit) in latencies.items():
        yield line(f"{name}{suffix}", run(), unit, limit)


def measurements() -> Iterator[dict[str, Any]]:
    """Every latency with an idle machine beside it and with a worker that trains, then the memory."""
    with tempfile.TemporaryDirectory() as folder:
        services = build_services(Settings(data_dir=Path(folder)))
        seed(services)
        port = free_port()
        environment = {"PAPLOOP_DATA_DIR": folder, "PAPLOOP_PORT": str(port), "PAPLOOP_LOG_LEVEL": "WARNING"}
        environment |= {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
        with running([sys.executable, "-m", "ml_backend.web.server"], environment) as process:
            call = Caller(port, services)
            call.wait()
            yield from measure(call, "_idle")
            with running([sys.executable, "-m", TRAINER], environment, nice=10) as trainer:
                time.sleep(10)
                yield from measure(call, "_training")
                assert trainer.poll() is None, "the load ended early, so nothing was measured under it"
            held = slow_connections(port, 64)
            time.sleep(1)
            yield line("health_p99_slow", p99(lambda _: call("GET", "/health"), 500), "ms", 100)
            for place in held:
                place.close()
            yield line("web_memory_peak", memory_peak(process.pid), "MB", 400)
        services.store.close()


def memory_peak(process: int) -> float:
    """Largest resident size of the web process so far, MB."""
    return int(Path(f"/proc/{process}/status").read_text().split("VmHWM:")[1].split()[0]) / 1024
