"""A set of supervised programs: started together, watched, stopped together."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from ml_backend import kin
from ml_backend.errors import PapLoopError, Unavailable
from ml_backend.operations.launch.programs import Program
from ml_backend.operations.launch.respawn import GRACE
from ml_backend.state.files import DataDir

POLL = 0.1

Tick = Callable[[float], None]
"""Called while waiting, with the seconds waited so far."""


class Stack:
    """The programs of one data directory; their logs are in `logs/`, their process ids in `run/`."""

    def __init__(self, files: DataDir, programs: Sequence[Program]) -> None:
        self.files = files
        self.programs = tuple(programs)
        self.logs = files.root / "logs"
        self.run_dir = files.root / "run"
        self._supervisor: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start the supervisor, which starts the programs."""
        for folder in (self.logs, self.run_dir):
            folder.mkdir(exist_ok=True)
        orders = [self._order(program) for program in self.programs]
        self.files.write_atomic(self.run_dir / "orders.json", json.dumps(orders), mode=0o600)
        with self.supervisor_log.open("wb") as log:
            self._supervisor = subprocess.Popen(
                (sys.executable, "-m", "ml_backend.operations.launch.supervisor", str(self.run_dir / "orders.json")),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                # Ctrl-C in the terminal is for this process alone; it ends the supervisor in order.
                start_new_session=True,
            )

    def _order(self, program: Program) -> dict[str, object]:
        file = self.run_dir / f"{program.name}.json"
        self._pid_file(program.name).unlink(missing_ok=True)
        order = {
            "name": program.name,
            "command": program.command,
            "nice": program.nice,
            "log": str(self.log(program.name)),
            "pid_file": str(self._pid_file(program.name)),
            "guard": os.getpid(),
        }
        self.files.write_atomic(file, json.dumps(order))
        return {"name": program.name, "file": str(file), "environment": dict(program.environment)}

    @property
    def supervisor_log(self) -> Path:
        """The supervisor's log: starts and exits."""
        return self.logs / "supervisor.log"

    def log(self, name: str) -> Path:
        """The output of one program."""
        return self.logs / f"{name}.log"

    def _pid_file(self, name: str) -> Path:
        return self.run_dir / f"{name}.pid"

    def pid(self, name: str) -> int | None:
        """Process id of a running program."""
        try:
            number = int(self._pid_file(name).read_text())
        except (OSError, ValueError):
            return None
        return number if kin.is_alive(number) else None

    @property
    def alive(self) -> bool:
        """Whether the supervisor runs."""
        return self._supervisor is not None and self._supervisor.poll() is None

    def wait_ready(self, name: str, probe: Callable[[], bool], seconds: float, tick: Tick | None = None) -> None:
        """Wait until a program responds.

        Args:
            name: of the program.
            probe: returns whether it responds.
            seconds: patience.
            tick: shows progress.

        Raises:
            Unavailable: it does not respond in time; the message holds the end of its log.
        """
        message = f"{name} did not respond within {seconds:g} s. The end of {self.log(name)}:\n"
        try:
            self._wait(probe, seconds, message, tick)
        except Unavailable as error:
            raise Unavailable(f"{error}{self.tail(name)}") from error

    def _wait(self, probe: Callable[[], bool], seconds: float, message: str, tick: Tick | None = None) -> None:
        started = time.monotonic()
        while not probe():
            waited = time.monotonic() - started
            if not self.alive:
                raise PapLoopError(f"The supervisor has ended. See {self.supervisor_log}.")
            if waited > seconds:
                raise Unavailable(message)
            if tick is not None:
                tick(waited)
            time.sleep(POLL)

    def tail(self, name: str, lines: int = 12) -> str:
        """The last lines of a program's log."""
        try:
            with self.log(name).open("rb") as log:
                log.seek(max(0, log.seek(0, os.SEEK_END) - 8192))
                return "\n".join(log.read().decode(errors="replace").splitlines()[-lines:])
        except OSError:
            return "(no log)"

    def stop(self) -> None:
        """End all programs and the supervisor; nothing is left running."""
        if self._supervisor is None:
            return
        below = kin.descendants(self._supervisor.pid)
        if self.alive:
            self._supervisor.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._supervisor.wait(GRACE * 3)
        left = [pid for pid in (*below, *kin.descendants(self._supervisor.pid)) if kin.is_alive(pid)]
        kin.kill_all(left)
        if self.alive:
            self._supervisor.kill()
        self._supervisor.wait()
        self._supervisor = None
