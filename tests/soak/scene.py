"""The stack under test, the place its data lies in, and what can be asked of it."""

from __future__ import annotations

import contextlib
import os
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from ml_backend import kin
from ml_backend.operations.launch import probes
from ml_backend.operations.launch.stack import Stack
from ml_backend.services import Services
from ml_backend.settings import Settings
from tests.soak.limits import FileLimit, SmallDisk

CLOCK_FOLDER = Path(__file__).parent / "clock"
CLOCK_FILE = "PAPLOOP_SOAK_CLOCK"
PATIENCE = 600.0
"""Seconds within which everything is back; generous, for the machine may be busy with something else."""

PROBES: dict[str, Callable[[Settings], bool]] = {
    "web": probes.web_answers,
    "redis": probes.redis_answers,
    "label-studio": probes.label_studio_answers,
}


def wait_for(condition: Callable[[], object], what: str, seconds: float = PATIENCE) -> float:
    """Poll until a condition holds; answers the seconds it took.

    Raises:
        TimeoutError: it does not in time.
    """
    started = time.monotonic()
    while not condition():
        if time.monotonic() - started > seconds:
            raise TimeoutError(f"{what}: did not happen in {seconds:g} s")
        time.sleep(0.1)
    return time.monotonic() - started


@dataclass
class Scene:
    """A running stack.

    Attributes:
        settings: of the stack.
        stack: its programs.
        services: the parts of this process, on the same data.
        clock_file: holds the seconds by which PapLoop's clock is off; empty path where it cannot be set.
        disk: how the disk is filled.
        troubles: faults under way; while there are none all programs are well.
    """

    settings: Settings
    stack: Stack
    services: Services
    clock_file: Path | None
    disk: SmallDisk | FileLimit
    troubles: list[str] = field(default_factory=list)

    def is_calm(self) -> bool:
        """Whether nothing is wrong now."""
        return not self.troubles

    def answers(self, name: str) -> bool:
        """Whether a program runs and answers; the worker has no address."""
        probe = PROBES.get(name)
        return self.stack.pid(name) is not None and (probe is None or probe(self.settings))

    def pids(self, name: str) -> list[int]:
        """A program and its children."""
        pid = self.stack.pid(name)
        return [] if pid is None else [pid, *kin.descendants(pid)]

    def kill(self, name: str) -> int:
        """SIGKILL a program; answers its former process id."""
        wait_for(lambda: self.stack.pid(name) is not None, f"{name} runs")
        pid = self.stack.pid(name)
        assert pid is not None
        kin.kill_all([pid], 9)
        return pid

    def is_back(self, name: str, before: int) -> bool:
        """Whether a killed program has a successor that answers."""
        return self.stack.pid(name) not in (None, before) and self.answers(name)


@contextlib.contextmanager
def small_disk(folder: Path, megabytes: int) -> Iterator[SmallDisk | None]:
    """A file system of so many MB in memory at a folder, where this user may mount one; else None."""
    folder.mkdir(parents=True, exist_ok=True)
    order = ("mount", "-t", "tmpfs", "-o", f"size={megabytes}m,mode=0700", "tmpfs", str(folder))
    mounted = False
    if os.geteuid() == 0:
        with contextlib.suppress(FileNotFoundError):
            mounted = subprocess.run(order, capture_output=True, check=False).returncode == 0
    try:
        yield SmallDisk(folder, f"tmpfs of {megabytes} MB") if mounted else None
    finally:
        if mounted:
            subprocess.run(("umount", "--lazy", str(folder)), capture_output=True, check=False)
