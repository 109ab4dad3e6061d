"""Keeps one program running: `python -m ml_backend.operations.launch.respawn ORDER.json`, itself a child of honcho.

SIGTERM ends the program and this process. It also ends when the process that asked for it (`guard`) is gone, so that
nothing is left behind however `paploop up` dies.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from io import BufferedWriter
from pathlib import Path
from types import FrameType

from ml_backend import kin

FIRST_WAIT = 0.5
LONGEST_WAIT = 30.0
HEALTHY_AFTER = 30.0
GRACE = 6.0
POLL = 0.1
LOG_LIMIT = 20 * 2**20
"""Bytes of a log and of the one before it, each."""
LOG_LOOK = 5.0
"""Seconds between looks at its size."""


@dataclass(frozen=True)
class Order:
    """What to keep running.

    Attributes:
        name: for messages.
        command: what is executed.
        nice: added to the priority of the program.
        log: file that takes its output.
        pid_file: holds the program's process id while it runs.
        guard: process id whose end ends all this.
    """

    name: str
    command: tuple[str, ...]
    nice: int
    log: str
    pid_file: str
    guard: int


class Keeper:
    """One program that is kept running."""

    def __init__(self, order: Order) -> None:
        self.order = order
        self.stopping = False
        self.wait = FIRST_WAIT
        self.guard = os.pidfd_open(order.guard)

    def listen(self) -> None:
        """Handle signals from now on."""
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, self._stop)

    def _stop(self, _number: int, _frame: FrameType | None) -> None:
        self.stopping = True

    def keep(self) -> None:
        """Run the program again and again until it is stopped."""
        while not self._ending():
            started = time.monotonic()
            code = self._run_once()
            if self._ending():
                return
            self.wait = FIRST_WAIT if time.monotonic() - started > HEALTHY_AFTER else self.wait
            print(f"{self.order.name} {in_words(code)}; it restarts in {self.wait:g} s.", flush=True)
            self._pause(self.wait)
            self.wait = min(self.wait * 2, LONGEST_WAIT)

    def _ending(self) -> bool:
        if not self.stopping and select.select([self.guard], [], [], 0)[0]:
            self.stopping = True
        return self.stopping

    def _pause(self, seconds: float) -> None:
        end = time.monotonic() + seconds
        while time.monotonic() < end and not self._ending():
            time.sleep(POLL)

    def _run_once(self) -> int:
        with open_log(Path(self.order.log)) as log:
            try:
                child = subprocess.Popen(
                    self.order.command,
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                    preexec_fn=self._prepare_child,
                )
            except OSError as error:
                print(f"{self.order.name} cannot be started: {error}", flush=True)
                return 127
        pid_file = Path(self.order.pid_file)
        pid_file.write_text(f"{child.pid}\n")
        looked = time.monotonic()
        try:
            while child.poll() is None:
                if self._ending():
                    self._end(child)
                if time.monotonic() - looked >= LOG_LOOK:
                    looked = time.monotonic()
                    turn_over(Path(self.order.log))
                time.sleep(POLL)
        finally:
            with contextlib.suppress(OSError):
                pid_file.unlink()
            self._end_orphans()
        return child.returncode

    def _prepare_child(self) -> None:
        kin.end_with_parent()
        if self.order.nice:
            os.nice(self.order.nice)

    @staticmethod
    def _end(child: subprocess.Popen[bytes]) -> None:
        child.terminate()
        try:
            child.wait(GRACE)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()

    @staticmethod
    def _end_orphans() -> None:
        """A job must not go on beside the next worker, nor a server beside its successor."""
        end = time.monotonic() + GRACE
        while (left := kin.descendants(os.getpid())) and time.monotonic() < end:
            kin.kill_all(left)
            with contextlib.suppress(ChildProcessError):
                while os.waitpid(-1, os.WNOHANG)[0]:
                    pass
            time.sleep(POLL / 10)


def open_log(path: Path) -> BufferedWriter:
    """The log, opened for appending; a large one is kept as `<name>.1` first."""
    turn_over(path)
    return path.open("ab")


def turn_over(path: Path) -> None:
    """Rotate a large log to `<name>.1` while its program goes on appending to it."""
    with contextlib.suppress(FileNotFoundError):
        if path.stat().st_size <= LOG_LIMIT:
            return
        part = path.with_name(f".{path.name}.1.part")
        try:
            shutil.copyfile(path, part)
            part.replace(path.with_name(f"{path.name}.1"))
        except OSError:
            # On a full disk the old lines give way: a log must not be what keeps the disk full.
            part.unlink(missing_ok=True)
        os.truncate(path, 0)


def in_words(code: int) -> str:
    """An exit status in words."""
    if code >= 0:
        return f"ended with exit status {code}"
    try:
        return f"was ended by {signal.Signals(-code).name}"
    except ValueError:
        return f"was ended by signal {-code}"


def main() -> None:
    """Read the order and keep it."""
    values = json.loads(Path(sys.argv[1]).read_text())
    order = Order(**{**values, "command": tuple(values["command"])})
    kin.adopt_orphans()
    try:
        keeper = Keeper(order)
    except ProcessLookupError:
        return
    keeper.listen()
    keeper.keep()


if __name__ == "__main__":
    main()
