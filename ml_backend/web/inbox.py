"""Webhook events on their way to the database: written to a file first, so that a busy database delays no one.

Label Studio waits one second for a webhook, inside the annotator's request, and never sends it again. A file takes a
fraction of a millisecond whatever the worker is writing; a thread moves the files into the events table in their order.
A crash between the two repeats an event at most, and the worker applies events idempotently.
"""

from __future__ import annotations

import itertools
import json
import logging
import os
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Final

from sqlalchemy.exc import DataError, IntegrityError

from ml_backend.errors import BadRequest, Conflict, PapLoopError, Unavailable
from ml_backend.state.files import DataDir
from ml_backend.state.store import Store
from ml_backend.web.redaction import event_action

log = logging.getLogger(__name__)

PATIENCE: Final = 0.01
"""Seconds a request waits for its event to reach the database before it returns anyway."""

UNFINISHED: Final = 600.0
"""Seconds after which nobody is still writing a file."""

RETRY: Final = 1.0
"""Seconds between attempts while the database does not take events."""


class Inbox:
    """Takes events from requests and moves them into the events table."""

    def __init__(self, store: Store, files: DataDir, clock: Callable[[], float]) -> None:
        self._store, self._files, self._clock = store, files, clock
        self.folder: Final[Path] = files.root / "inbox"
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._serial = itertools.count()
        self._news = threading.Condition()
        self._asked = 0
        self._done = 0
        self._thread: threading.Thread | None = None
        self._closed = False

    def add(self, project_id: int, body: Mapping[str, object]) -> str:
        """Keep an event.

        Args:
            project_id: Label Studio's project id.
            body: the redacted body.

        Returns:
            The event's name.

        Raises:
            Unavailable: the disk takes nothing.
        """
        name = f"{time.time_ns():020d}-{os.getpid()}-{next(self._serial):06d}"
        path = self.folder / f"{name}.json"
        record = {"project_id": project_id, "received_at": self._clock(), "body": body}
        self._write(path, record)
        self._wake()
        with self._news:
            self._news.wait_for(lambda: not path.exists(), timeout=PATIENCE)
        return name

    def waiting(self) -> int:
        """Events that are not in the database yet."""
        return sum(1 for _ in self.folder.glob("*.json"))

    def set_aside(self) -> int:
        """Events that could not be stored in the database, kept in `*.damaged` files."""
        return sum(1 for _ in self.folder.glob("*.damaged"))

    def start(self) -> None:
        """Move what an earlier process left behind, then everything as it arrives."""
        self._clear_unfinished()
        if self.waiting():
            self._wake()

    def close(self) -> None:
        """Stop the thread; what is not moved yet stays for the next start."""
        with self._news:
            self._closed = True
            self._news.notify_all()
        if self._thread is not None:
            self._thread.join(timeout=5)

    def drain(self) -> int:
        """Move every waiting event; returns how many.

        Raises:
            PapLoopError | OSError: the database or the disk does not answer; nothing is lost.
        """
        moved = 0
        try:
            with self._files.lock("inbox", wait=False):
                for path in sorted(self.folder.glob("*.json")):
                    moved += self._move(path)
                    with self._news:
                        self._news.notify_all()
        except Conflict:
            # Another web process moves them; it may have listed the folder before the newest file came.
            time.sleep(2 * PATIENCE)
        return moved

    def _clear_unfinished(self) -> None:
        """Events whose process died while it wrote them were never acknowledged."""
        for part in self.folder.glob("*.part"):
            with suppress(OSError):
                if time.time() - part.stat().st_mtime > UNFINISHED:
                    part.unlink()

    def _write(self, path: Path, record: Mapping[str, object]) -> None:
        part = path.with_suffix(".part")
        text = json.dumps(record)
        try:
            descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
            with os.fdopen(descriptor, "w", encoding="utf-8") as file:
                file.write(text)
            part.rename(path)
        except OSError as error:
            with suppress(OSError):
                part.unlink()
            raise Unavailable(
                f"The event could not be stored ({error.strerror or error}). Free disk space for the data "
                "directory; `paploop reconcile` then fetches what was missed.",
                code="event.not_kept",
            ) from error

    def _move(self, path: Path) -> int:
        try:
            record = json.loads(path.read_bytes())
            body, project_id, received_at = record["body"], record["project_id"], record["received_at"]
        except FileNotFoundError:
            return 0
        except (ValueError, KeyError, TypeError):
            self._set_aside(path, "is damaged")
            return 0
        try:
            self._store.events.add(project_id, event_action(body), body, received_at)
        except PapLoopError as error:
            if not isinstance(error, BadRequest) and not isinstance(error.__cause__, DataError | IntegrityError):
                raise
            self._set_aside(path, f"was refused by the database ({error})")
            return 0
        except OSError:
            raise
        except Exception:
            log.exception("unexpected error with the event file %s", path)
            self._set_aside(path, "had an unexpected error")
            return 0
        path.unlink(missing_ok=True)
        return 1

    @staticmethod
    def _set_aside(path: Path, why: str) -> None:
        # One bad event must not hold up those behind it.
        log.error(
            "the event file %s %s and was set aside; `paploop reconcile` fetches its content from Label Studio",
            path,
            why,
        )
        path.rename(path.with_suffix(".damaged"))

    def _wake(self) -> None:
        with self._news:
            self._asked += 1
            if self._thread is None or not self._thread.is_alive():
                self._thread = threading.Thread(target=self._work, name="inbox", daemon=True)
                self._thread.start()
            self._news.notify_all()

    def _work(self) -> None:
        failing = False
        while True:
            with self._news:
                self._news.wait_for(lambda: self._closed or self._asked > self._done)
                if self._closed:
                    return
                asked = self._asked
            try:
                self.drain()
                self._done = asked if not self.waiting() else asked - 1
                failing = False
            except (PapLoopError, OSError) as error:
                if not failing:
                    log.warning("events wait in %s until the database is available: %s", self.folder, error)
                failing = True
            except Exception:
                # Whatever it was, the events behind it still have to come in.
                log.exception("events wait in %s: unexpected error", self.folder)
                failing = True
            if failing:
                with self._news:
                    self._news.wait_for(lambda: self._closed, timeout=RETRY)
