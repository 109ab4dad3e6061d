"""The machine that tests run on: a free port, a full disk, and things that it takes its time for."""

from __future__ import annotations

import errno
import os
import socket
import time
from collections.abc import Callable

import pytest


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def eventually(condition: Callable[[], object], what: str, seconds: float = 240.0) -> None:
    """Wait for what a busy machine may take long over; how long it took says nothing."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, f"{what}: did not happen in {seconds:g} s"
        time.sleep(0.02)


def fill_the_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    """From now on nothing reaches the disk any more."""

    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
