"""`python -m tests.soak --minutes 20 --seed 0`: a stack of its own on a small disk, and everything that goes wrong."""

from __future__ import annotations

import argparse
import contextlib
import os
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from ml_backend.operations.launch.up import interrupt_on_terminate, prepare, wait_until_ready
from ml_backend.services import build_services
from tests.e2e.conftest import silent
from tests.fakes.machine import free_port
from tests.soak.faults import (
    JOB_KILLED,
    POISON_EVENTS,
    REPEATED_EVENTS,
    Fault,
    clock_jump,
    disk_full,
    environment,
    killed,
    paused,
    pids_of_paploop,
)
from tests.soak.limits import FileLimit
from tests.soak.scene import Scene, small_disk
from tests.soak.session import Plan, Session

MEGABYTES = 512
ENVIRONMENT = {"PAPLOOP_RECONCILE_INTERVAL": "20", "PAPLOOP_LOG_LEVEL": "INFO"}


def faults_of(pause_minutes: float) -> tuple[Fault, ...]:
    """Everything, Label Studio's long pause last but one, with other faults inside of it."""
    each = (killed("web"), killed("worker"), JOB_KILLED, killed("redis"), killed("label-studio"))
    inside = (killed("worker"), clock_jump(20), killed("redis"), REPEATED_EVENTS, killed("web"), POISON_EVENTS)
    return (
        *each,
        REPEATED_EVENTS,
        POISON_EVENTS,
        disk_full(30),
        clock_jump(20),
        *each,
        REPEATED_EVENTS,
        paused(60 * pause_minutes, inside),
        disk_full(20),
        *each[:3],
    )


@contextlib.contextmanager
def scene_in(root: Path) -> Iterator[Scene]:
    """A stack of its own whose data directory lies on a small disk."""
    with small_disk(root / "state", MEGABYTES) as disk:
        # Label Studio keeps its room: the full disk is PapLoop's.
        (root / "label-studio").mkdir()
        (root / "state" / "label-studio").symlink_to(root / "label-studio")
        clock = root / "clock"
        os.environ.update({**ENVIRONMENT, **environment(clock)})
        os.environ.update({"PAPLOOP_DATA_DIR": str(root / "state"), "PAPLOOP_PORT": str(free_port())})
        machine = prepare(free_port())
        machine.stack.start()
        try:
            wait_until_ready(machine, silent)
            services = build_services(machine.settings)
            scene = Scene(services.settings, machine.stack, services, clock, disk or FileLimit(lambda: ()))
            if isinstance(scene.disk, FileLimit):
                scene.disk.pids = lambda: pids_of_paploop(scene)
            yield scene
            services.store.close()
        finally:
            machine.stack.stop()


def main() -> int:
    """Run a soak and write its report; 1 when a promise was broken."""
    parser = argparse.ArgumentParser(prog="python -m tests.soak")
    parser.add_argument("--minutes", type=float, default=20.0, help="of labeling, Label Studio's pause included")
    parser.add_argument("--pause", type=float, default=15.0, help="minutes for which Label Studio stands still")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=Path("soak-results"))
    given = parser.parse_args()
    given.out.mkdir(parents=True, exist_ok=True)
    cells = max(200, int(20 * given.minutes))
    plan = Plan(faults_of(given.pause), given.minutes, cells, 20, 1.5, given.seed, polls=True)
    folder = tempfile.TemporaryDirectory(prefix="paploop-soak-")
    with interrupt_on_terminate(), folder as root, scene_in(Path(root)) as scene:
        report = Session(scene, Path(root) / "cells", plan).run()
        for log in sorted(scene.stack.logs.glob("*.log")):
            (given.out / log.name).write_bytes(log.read_bytes())
    (given.out / "report.json").write_text(report.as_json())
    (given.out / "report.md").write_text(report.as_markdown())
    print(report.as_markdown())
    return 1 if report.problems else 0


if __name__ == "__main__":
    sys.exit(main())
