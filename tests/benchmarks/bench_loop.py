"""Bulk push and ingest against what the other side can do at best: a bare HTTP call, the bare encoder."""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import numpy as np

from ml_backend.intake.ingest import ingest
from ml_backend.intake.projects import attach, ensure_project
from ml_backend.loop.steps.publish import push
from ml_backend.operations.demo.cells import CLASSES, write_cells
from ml_backend.operations.launch.up import prepare, wait_until_ready
from ml_backend.runs import request_run
from ml_backend.services import Services, build_services
from ml_backend.state.files import project_lock
from tests.fakes.machine import free_port
from tests.fakes.progress import quiet, silent
from tests.held import held

NAMES = ("ingest", "bulk_push")
IMAGES = 600
PUSHED = 1000
REPEATS = 3


def line(name: str, value: float, unit: str, baseline: float, target: float) -> dict[str, Any]:
    """One measurement where more is better."""
    return {
        "name": name,
        "value": round(value, 2),
        "unit": unit,
        "baseline": round(baseline, 2),
        "ratio": round(value / baseline, 3),
        "target": target,
    }


@contextmanager
def running(root: Path) -> Iterator[Services]:
    """Label Studio, Redis and the web process; no worker, so that nobody else touches the project."""
    os.environ["PAPLOOP_DATA_DIR"] = str(root / "state")
    os.environ["PAPLOOP_PORT"] = str(free_port())
    machine = prepare(free_port())
    machine.stack.start()
    try:
        wait_until_ready(machine, quiet)
        with held(machine.stack, "worker"):
            services = build_services(machine.settings)
            yield services
            services.store.close()
    finally:
        machine.stack.stop()


def measurements() -> Iterator[dict[str, Any]]:
    """Ingest in images/s against the bare encoder, push in predictions/s against the same body by a bare POST."""
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        write_cells(root / "cells", silent, count=IMAGES)
        with running(root) as services:
            project = ensure_project(services.label_studio, services.files, "bench", "Benchmark", CLASSES)
            attach(services.store, services.label_studio, services.settings, project, services.clock())
            yield _ingest(services, project, root / "cells")
            yield _push(services, project)


def _bare_encoder(services: Services, files: list[Path]) -> float:
    """Images/s of reading, decoding and embedding batch after batch, nothing overlapped and nothing stored."""
    from training.encoders import load_encoder

    encoder = load_encoder("lite0", threads=services.threads)
    start = time.perf_counter()
    for first in range(0, len(files), 16):
        encoder.embed_prepared(np.stack([encoder.prepare(path).pixels for path in files[first : first + 16]]))
    return len(files) / (time.perf_counter() - start)


def _ingest(services: Services, project: int, folder: Path) -> dict[str, Any]:
    files = sorted(folder.rglob("*.png"))
    _bare_encoder(services, files[:64])
    before = _bare_encoder(services, files)
    start = time.perf_counter()
    report = ingest(services, project, folder, stage=quiet)
    value = report.found / (time.perf_counter() - start)
    # The baseline on both sides of the measurement, since a machine does not stay equally busy.
    return line("ingest", value, "images/s", (before + _bare_encoder(services, files)) / 2, 0.9)


def _push(services: Services, project: int) -> dict[str, Any]:
    client = services.label_studio
    data = {"image": "http://127.0.0.1/none.png", "name": "none"}
    client.import_tasks(project, [{"data": data} for _ in range(PUSHED - len(client.task_ids(project)))])
    tasks = sorted(client.task_ids(project))[:PUSHED]
    request_run(services.store, project, kind="rank", reason="Benchmark.", now=services.clock())
    with services.files.lock(project_lock(project)):
        bare, ours = [], []
        for repeat in range(REPEATS):
            bare.append(_bare_post(services, project, _body(tasks, f"bare-{repeat}")))
            start = time.perf_counter()
            push(client, project, _body(tasks, f"ours-{repeat}"))
            ours.append(len(tasks) / (time.perf_counter() - start))
    return line("bulk_push", max(ours), "predictions/s", max(bare), 0.9)


def _body(tasks: list[int], version: str) -> list[dict[str, Any]]:
    def result(name: str) -> list[dict[str, Any]]:
        value = {"choices": [name]}
        return [{"id": "r", "type": "choices", "from_name": "class", "to_name": "image", "value": value, "score": 0.5}]

    return [
        {"task": task, "score": place / len(tasks), "model_version": version, "result": result(CLASSES[place % 5])}
        for place, task in enumerate(tasks)
    ]


def _bare_post(services: Services, project: int, body: list[dict[str, Any]]) -> float:
    settings = services.settings
    token = settings.label_studio_token.get_secret_value()
    url = f"{settings.label_studio_url.rstrip('/')}/api/projects/{project}/import/predictions"
    start = time.perf_counter()
    answer = httpx.post(url, json=body, headers={"Authorization": f"Token {token}"}, timeout=300)
    answer.raise_for_status()
    return len(body) / (time.perf_counter() - start)
