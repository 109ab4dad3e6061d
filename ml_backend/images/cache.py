"""Fetched files by key: written atomically, the least recently used deleted first, nothing outside the folder."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

IN_USE = 60.0
"""Seconds after its last use in which a file is not evicted: somebody may be about to open it."""

ABANDONED = 24 * 3600.0
"""Seconds after which a half-written file belongs to nobody any more."""


class ImageCache:
    """A folder of files with a cap; several processes may share it.

    Args:
        root: the folder, made on first use.
        max_bytes: size above which the least recently used files go.
        clock: unix seconds, the same clock as the file system's.
    """

    def __init__(self, root: Path, max_bytes: int, clock: Callable[[], float]) -> None:
        self.root = root
        self._max_bytes = max_bytes
        self._clock = clock
        self._guard = threading.Lock()
        self._flights: dict[str, threading.Lock] = {}
        self._bytes: int | None = None
        self._unseen = 0

    def path(self, key: str) -> Path:
        """Where the file of a key lies."""
        digest = hashlib.sha256(key.encode("utf-8", errors="surrogatepass")).hexdigest()
        return self.root / digest[:2] / digest

    def get(self, key: str) -> Path | None:
        """The file of a key, marked as used now, or None."""
        path = self.path(key)
        now = self._clock()
        try:
            if now - path.stat().st_mtime > IN_USE / 4:
                os.utime(path, (now, now))
        except FileNotFoundError:
            return None
        return path

    def fetch(self, key: str, write: Callable[[BinaryIO], None], check: Callable[[Path], None]) -> Path:
        """The file of a key; if several threads ask at once, one writes it and the others wait.

        Args:
            key: what the file is.
            write: fills it; what it raises is passed on and nothing is kept.
            check: looks at the finished file before it is kept; what it raises is passed on.
        """
        with self._guard:
            flight = self._flights.setdefault(key, threading.Lock())
        try:
            with flight:
                return self.get(key) or self._write(key, write, check)
        finally:
            with self._guard:
                self._flights.pop(key, None)

    def _write(self, key: str, write: Callable[[BinaryIO], None], check: Callable[[Path], None]) -> Path:
        path = self.path(key)
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=".part-", dir=self.root)
        part = Path(name)
        # Held until the file is in its place: what a clock says about its age must not cost somebody their picture.
        held = os.dup(handle)
        try:
            fcntl.flock(held, fcntl.LOCK_EX)
            with os.fdopen(handle, "wb") as file:
                write(file)
            check(part)
            size = part.stat().st_size
            part.replace(path)
        finally:
            part.unlink(missing_ok=True)
            os.close(held)
        self._grown(size)
        return path

    def _grown(self, size: int) -> None:
        with self._guard:
            self._unseen += size
            # Others write here as well, so what was counted long ago says little.
            known = self._bytes
            if known is None or self._unseen > self._max_bytes / 16 or known + self._unseen > self._max_bytes:
                self._bytes, self._unseen = self._trim(), 0

    def _trim(self) -> int:
        """Bring the folder under nine tenths of the cap if it is over it; returns its size in bytes."""
        now = self._clock()
        files: list[tuple[float, int, Path]] = []
        for path in self.root.glob("*/*"):
            with contextlib.suppress(FileNotFoundError):
                status = path.stat()
                files.append((status.st_mtime, status.st_size, path))
        for part in self.root.glob(".part-*"):
            with contextlib.suppress(FileNotFoundError):
                if now - part.stat().st_mtime > ABANDONED and not _is_written(part):
                    part.unlink()
        total = sum(size for _, size, _ in files)
        if total <= self._max_bytes:
            return total
        for used, size, path in sorted(files):
            if total <= 0.9 * self._max_bytes or now - used < IN_USE:
                break
            path.unlink(missing_ok=True)
            total -= size
        return total


def _is_written(part: Path) -> bool:
    """Whether some process is writing a file at this moment."""
    with part.open("rb") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False
