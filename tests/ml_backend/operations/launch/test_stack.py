"""The supervisor on small real programs: respawn, stop, and nothing left behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from ml_backend import kin
from ml_backend.errors import Unavailable
from ml_backend.operations.launch.programs import Program
from ml_backend.operations.launch.respawn import in_words
from ml_backend.operations.launch.stack import Stack
from ml_backend.state.files import DataDir
from tests.fakes.machine import eventually
from tests.held import held

SLEEPER = "import subprocess, sys, time; subprocess.Popen(['sleep', '600']); print('up', flush=True); time.sleep(600)"


def program(name: str, code: str = SLEEPER, **environment: str) -> Program:
    return Program(name, (sys.executable, "-c", code), environment)


@pytest.fixture
def stack(tmp_path: Path) -> Iterator[Stack]:
    stack = Stack(DataDir(tmp_path), [program("one"), program("two")])
    stack.start()
    try:
        eventually(lambda: stack.pid("one") and stack.pid("two"), "both programs run")
        yield stack
    finally:
        stack.stop()


def test_a_killed_program_comes_back_and_its_children_do_not_stay(stack: Stack) -> None:
    first = stack.pid("one")
    assert first is not None
    eventually(lambda: kin.descendants(first), "the program has children")
    children = kin.descendants(first)
    os.kill(first, signal.SIGKILL)
    eventually(lambda: stack.pid("one") not in (None, first), "the program comes back")
    assert not any(kin.is_alive(pid) for pid in children)
    assert "one was ended by SIGKILL; it restarts in" in stack.supervisor_log.read_text()


def test_a_program_comes_back_when_its_keeper_may_go_on(stack: Stack) -> None:
    other = stack.pid("two")
    with held(stack, "one"):
        assert stack.pid("one") is None
    eventually(lambda: stack.pid("one"), "the program comes back")
    assert stack.pid("two") == other


def test_stop_leaves_nothing_running(stack: Stack) -> None:
    pids = kin.descendants(os.getpid())
    assert len(pids) >= 5
    stack.stop()
    eventually(lambda: not any(kin.is_alive(pid) for pid in pids), "nothing is left")
    assert not stack.alive


def test_a_program_that_does_not_answer_shows_the_end_of_its_log(stack: Stack) -> None:
    eventually(lambda: "up" in stack.tail("one"), "the program writes its log")
    with pytest.raises(Unavailable, match=r"(?s)one did not respond within 0\.3 s.*up"):
        stack.wait_ready("one", lambda: False, 0.3)


@pytest.mark.slow
def test_everything_ends_when_the_one_who_asked_is_killed(tmp_path: Path) -> None:
    code = f"""
import sys, time
from pathlib import Path
from ml_backend.operations.launch.programs import Program
from ml_backend.operations.launch.stack import Stack
from ml_backend.state.files import DataDir
Stack(DataDir(Path({str(tmp_path)!r})), [Program("one", (sys.executable, "-c", {SLEEPER!r}))]).start()
time.sleep(600)
"""
    starter = subprocess.Popen([sys.executable, "-c", code])
    try:
        eventually(lambda: (tmp_path / "run" / "one.pid").exists(), "the program runs")
        eventually(lambda: len(kin.descendants(starter.pid)) >= 5, "the whole stack runs")
        pids = kin.descendants(starter.pid)
    finally:
        starter.kill()
        starter.wait()
    eventually(lambda: not any(kin.is_alive(pid) for pid in pids), "everything has ended")


@pytest.mark.slow
def test_environment_reaches_the_program_and_stays_out_of_readable_files(tmp_path: Path) -> None:
    files = DataDir(tmp_path)
    show = "import os, time; print(os.environ['PAPLOOP_TEST_SECRET'], flush=True); time.sleep(600)"
    stack = Stack(files, [program("one", show, PAPLOOP_TEST_SECRET="hush-hush")])
    stack.start()
    try:
        eventually(lambda: "hush-hush" in stack.tail("one"), "the program shows its environment")
        holders = [path for path in stack.run_dir.iterdir() if "hush-hush" in path.read_text()]
        assert all(path.stat().st_mode & 0o077 == 0 for path in holders)
    finally:
        stack.stop()


@pytest.mark.parametrize(
    ("code", "words"),
    [(0, "ended with exit status 0"), (-9, "was ended by SIGKILL"), (-200, "was ended by signal 200")],
)
def test_exit_statuses_in_words(code: int, words: str) -> None:
    assert in_words(code) == words
