"""Two ways to make a disk full: fill a small file system, or forbid processes to let files grow."""

from __future__ import annotations

import contextlib
import errno
import resource
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

BLOCK = 2**20


@dataclass
class SmallDisk:
    """A file system that is filled to the last byte.

    Attributes:
        folder: where it is mounted.
        kind: in words.
    """

    folder: Path
    kind: str

    @property
    def filler(self) -> Path:
        """The file that takes all the room."""
        return self.folder / "filler"

    def fill(self) -> None:
        """Take what is free, and what becomes free while it is called again."""
        with self.filler.open("ab", buffering=0) as file:
            for size in (BLOCK, 4096, 1):
                try:
                    while file.write(b"\0" * size) == size:
                        pass
                except OSError as error:
                    if error.errno != errno.ENOSPC:
                        raise

    def free(self) -> None:
        """Give the room back."""
        self.filler.unlink(missing_ok=True)


@dataclass
class FileLimit:
    """Processes that may not let any file grow, for places where no file system can be mounted.

    Attributes:
        pids: the processes, asked each time, since they may be started anew.
        kind: in words.
    """

    pids: Callable[[], Sequence[int]]
    kind: str = "RLIMIT_FSIZE of 1 byte on web process and worker"

    def fill(self) -> None:
        """Forbid."""
        self._set(1)

    def free(self) -> None:
        """Allow."""
        self._set(resource.RLIM_INFINITY)

    def _set(self, most: int) -> None:
        for pid in self.pids():
            with contextlib.suppress(ProcessLookupError):
                resource.prlimit(pid, resource.RLIMIT_FSIZE, (most, resource.RLIM_INFINITY))
