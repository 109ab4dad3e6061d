"""What a machine does that a test cannot wait for: a free port, a full disk."""

from __future__ import annotations

import errno
import os
import socket

import pytest


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def fill_the_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    """From now on nothing reaches the disk any more."""

    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
