"""Logs of programs that run for months."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from ml_backend.operations.launch import respawn


def test_a_log_is_turned_over_while_its_program_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(respawn, "LOG_LIMIT", 1000)
    log = tmp_path / "worker.log"
    script = (
        "import sys\nfor line in sys.stdin:\n    print(line.strip() * 50, flush=True)\n    print('', file=sys.stderr)"
    )
    with respawn.open_log(log) as file:
        program = subprocess.Popen(
            (sys.executable, "-c", script), stdin=subprocess.PIPE, stdout=file, stderr=subprocess.PIPE, text=True
        )
    assert program.stdin is not None
    assert program.stderr is not None
    for number in range(20):
        program.stdin.write(f"{number:04d}\n")
        program.stdin.flush()
        program.stderr.readline()
        respawn.turn_over(log)
    program.stdin.close()
    assert program.wait() == 0
    program.stderr.close()
    before = tmp_path / "worker.log.1"
    assert log.stat().st_size <= 1000 + 201
    assert before.stat().st_size <= 1000 + 201
    assert "0019" in log.read_text() + before.read_text(), "nothing of the newest lines is lost"
    assert b"\0" not in log.read_bytes(), "the program appends, it leaves no hole"
    assert {path.name for path in tmp_path.iterdir()} == {"worker.log", "worker.log.1"}
