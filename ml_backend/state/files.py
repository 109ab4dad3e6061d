"""The data directory: where things lie, atomic writes, and locks between processes."""

from __future__ import annotations

import errno
import fcntl
import hashlib
import os
import re
import secrets
import stat
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from ml_backend.errors import Busy, PapLoopError, Unavailable

_TRY_SECONDS = 0.05
PRIVATE: Final = 0o700
OURS: Final = frozenset({"paploop.db", "secrets.json", "locks", "runs"})
"""What tells that a folder is PapLoop's own."""


@contextmanager
def in_words(doing: str) -> Iterator[None]:
    """Turn a failed file operation into a message; `doing` completes "PapLoop could not ...".

    Raises:
        Unavailable: the disk is full, read-only or refused access.
    """
    try:
        yield
    except OSError as error:
        raise file_error(error, doing) from error


def file_error(error: OSError, doing: str) -> PapLoopError:
    """The sentence for an `OSError`; `doing` completes "PapLoop could not ...".

    A `FileNotFoundError` and the like keep their text, followed by what to check.
    """
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return Unavailable(
            f"PapLoop could not {doing} because the disk is full. Free some space; nothing was lost.", code="disk.full"
        )
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        return Unavailable(
            f"PapLoop could not {doing} because it has no write permission. Give this user access to that folder.",
            code="disk.no_permission",
        )
    return Unavailable(
        f"PapLoop could not {doing} ({error.strerror or error}); check the disk and the data directory.",
        code="disk.failed",
    )


def write_atomic(path: Path, data: bytes | str, *, mode: int = 0o644) -> None:
    """Write a file so that readers and crashes see the old content or the new one, nothing between.

    Raises:
        Unavailable: the disk is full, read-only or refused access.
    """
    content = data.encode() if isinstance(data, str) else data
    part = path.with_name(f".{path.name}.{secrets.token_hex(6)}.part")
    with in_words(f"write {path}"):
        try:
            descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
            with os.fdopen(descriptor, "wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            os.replace(part, path)
        except BaseException:
            with suppress(OSError):
                part.unlink()
            raise
        sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Make renames in a folder survive a power failure."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def file_lock(path: Path, *, wait: bool = True, shared: bool = False) -> Iterator[None]:
    """Hold an advisory lock; it ends with the block or with the process, however that dies.

    Args:
        path: the lock file; it stays behind, which is harmless.
        wait: wait for as long as it takes, or give up at once.
        shared: let other shared holders in.

    Raises:
        Busy: `wait` is false and another holder has it.
    """
    kind = fcntl.LOCK_SH if shared else fcntl.LOCK_EX
    with in_words(f"open {path}"):
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        if wait:
            fcntl.flock(descriptor, kind)
        elif not _try(descriptor, kind):
            raise Busy(
                f"Another PapLoop process is using '{path.stem}'. Wait until it has finished, or stop it.",
                code="lock.held",
            )
        yield
    finally:
        os.close(descriptor)


def _try(descriptor: int, kind: int) -> bool:
    # A moment of patience: `is_held` takes the lock for an instant.
    end = time.monotonic() + _TRY_SECONDS
    while True:
        try:
            fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > end:
                return False
            time.sleep(_TRY_SECONDS / 10)
        else:
            return True


def project_lock(project_id: int) -> str:
    """Name of the lock that the one process working on a project holds."""
    return f"project-{project_id:06d}"


class DataDir:
    """Paths below one root; asking for a path creates nothing, `make` does."""

    def __init__(self, root: Path) -> None:
        self.root = root.expanduser().resolve()
        with in_words(f"create {self.root}"):
            self.root.parent.mkdir(parents=True, exist_ok=True)
            with suppress(FileExistsError):
                self.root.mkdir(mode=PRIVATE)
        self._close_to_others()

    def _close_to_others(self) -> None:
        """Labels, images and tokens of patients are for this user alone; a folder that others put to use stays open."""
        about = self.root.stat()
        if about.st_uid != os.geteuid() or not stat.S_IMODE(about.st_mode) & 0o077:
            return
        if {path.name for path in self.root.iterdir()} & OURS:
            with suppress(OSError):
                self.root.chmod(PRIVATE)

    @property
    def cache_dir(self) -> Path:
        """Fetched images and other things that may be deleted at any time."""
        return self.root / "cache"

    @property
    def runs_dir(self) -> Path:
        """The folder of all run folders."""
        return self.root / "runs"

    @property
    def imports_dir(self) -> Path:
        """Notes on imports of tasks whose answer never came."""
        return self.root / "imports"

    def run_dir(self, run_id: int) -> Path:
        """`runs/000042`."""
        return self.runs_dir / f"{run_id:06d}"

    def seen_from_run(self, run_id: int, path: Path) -> str:
        """A path as the files of a run folder name it, so that the whole data directory can be moved."""
        return os.path.relpath(path.resolve(), self.run_dir(run_id))

    def vectors_dir(self, encoder_key: str) -> Path:
        """The folder of one encoder's embeddings; keys that are not a plain file name get a digest added."""
        return self.root / "vectors" / folder_name(encoder_key)

    def lock_path(self, name: str) -> Path:
        """The file behind `lock(name)`."""
        return self.root / "locks" / f"{folder_name(name)}.lock"

    @contextmanager
    def lock(self, name: str, *, wait: bool = True, shared: bool = False) -> Iterator[None]:
        """Hold a lock among all processes of this data directory; not re-entrant.

        Raises:
            Busy: `wait` is false and another holder has it.
        """
        with file_lock(self.lock_path(name), wait=wait, shared=shared):
            yield

    def is_held(self, name: str) -> bool:
        """Whether some process holds `lock(name)` exclusively at this moment."""
        path = self.lock_path(name)
        if not path.exists():
            return False
        try:
            with file_lock(path, wait=False, shared=True):
                return False
        except Busy:
            return True

    @staticmethod
    def write_atomic(path: Path, data: bytes | str, *, mode: int = 0o644) -> None:
        """See `write_atomic` of this module."""
        write_atomic(path, data, mode=mode)

    @staticmethod
    def make(folder: Path) -> Path:
        """Create a folder that is about to be written into, and return it.

        Raises:
            Unavailable: the disk is full, read-only or refused access.
        """
        with in_words(f"create {folder}"):
            folder.mkdir(parents=True, exist_ok=True)
        return folder


def folder_name(key: str) -> str:
    """A key as a file name: kept if plain, else cleaned and told apart by a digest."""
    plain = re.sub(r"[^A-Za-z0-9._-]", "_", key)[:120]
    if key and plain == key and not key.startswith("."):
        return key
    return f"{plain.lstrip('.') or 'x'}-{hashlib.sha256(key.encode()).hexdigest()[:8]}"
