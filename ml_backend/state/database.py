"""One connection pool, two kinds of transaction, and database errors in words.

SQLite runs in WAL mode: readers never wait. Writers take the lock at once (BEGIN IMMEDIATE), so two of them queue up
instead of deadlocking half way. PostgreSQL gets plain transactions; whoever needs order locks the project's row.
"""

from __future__ import annotations

import json
import os
import sqlite3
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from typing import Any, TypeVar

import numpy as np
from sqlalchemy import Connection, Engine, Table, create_engine, event, make_url
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import (
    ArgumentError,
    DisconnectionError,
    IntegrityError,
    NoSuchModuleError,
    StatementError,
)
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.pool import ConnectionPoolEntry

from ml_backend.errors import BadRequest, Conflict, PapLoopError, Unavailable
from ml_backend.state.database_errors import database_error, unstorable

T = TypeVar("T")
CHUNK = 1000
"""Rows of a bulk write per transaction: about 10 ms, so that a webhook never waits long for its turn."""

_POLL = 0.002
_PAUSE = 3 * _POLL
"""Seconds between tries for the write lock, and between parts of a bulk write: whoever waits gets in between."""


class Database:
    """A pool of connections to one database; safe for threads and for processes forked later.

    Args:
        url: SQLAlchemy URL, of a SQLite file or of PostgreSQL (`postgresql+psycopg://...`).
        lock_wait: seconds a writer waits for its turn.

    Raises:
        BadRequest: the URL is not one PapLoop can use.
    """

    def __init__(self, url: str, *, lock_wait: float = 30.0) -> None:
        self._lock_wait = lock_wait
        self.engine = _create_engine(url, lock_wait)
        self.is_sqlite = self.engine.dialect.name == "sqlite"
        event.listen(self.engine, "connect", self._connected)
        event.listen(self.engine, "checkout", _refuse_inherited)
        if self.is_sqlite:
            event.listen(self.engine, "begin", self._begun)
        self._writer = self.engine.execution_options(paploop_write=True)

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """A transaction that sees one state of the database throughout.

        Raises:
            Unavailable: the database is away, full, read-only or locked for too long.
        """
        with self._in_words(), self.engine.begin() as connection:
            yield connection

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """A transaction that may change things; committed at the end of the block, undone by an exception.

        Raises:
            Conflict: a change clashes with a rule of the schema.
            Unavailable: the database is away, full, read-only or locked for too long.
        """
        with self._in_words(), self._writer.begin() as connection:
            yield connection

    def insert(self, table: Table) -> sqlite.Insert | postgresql.Insert:
        """An INSERT that knows ON CONFLICT, which both databases spell alike but SQLAlchemy keeps apart."""
        return sqlite.insert(table) if self.is_sqlite else postgresql.insert(table)

    def use_wal(self) -> None:
        """Switch a SQLite file to write-ahead logging, once for its lifetime."""
        if not self.is_sqlite:
            return
        end = time.monotonic() + self._lock_wait
        with self._in_words(), closing(self.engine.raw_connection()) as connection:
            cursor: Any = connection.cursor()
            # The switch needs the file for itself and does not wait; another process may be switching it right now.
            while cursor.execute("PRAGMA journal_mode").fetchone()[0] != "wal":
                try:
                    if cursor.execute("PRAGMA journal_mode=WAL").fetchone()[0] != "wal":
                        return  # a file system without shared memory: slower, still correct
                except sqlite3.OperationalError as error:
                    if not error.sqlite_errorname.startswith("SQLITE_BUSY") or time.monotonic() > end:
                        raise
                    time.sleep(_POLL)

    def close(self) -> None:
        """Give all connections back."""
        self.engine.dispose()

    def _connected(self, connection: DBAPIConnection, record: ConnectionPoolEntry) -> None:
        record.info["pid"] = os.getpid()
        if isinstance(connection, sqlite3.Connection):
            connection.isolation_level = None  # transactions are begun by `_begun`, not by the driver's guess
            connection.execute(f"PRAGMA busy_timeout={int(self._lock_wait * 1000)}")
            connection.execute("PRAGMA foreign_keys=ON")
            connection.execute("PRAGMA synchronous=NORMAL")

    def _begun(self, connection: Connection) -> None:
        raw: Any = connection.connection.dbapi_connection
        if not connection.get_execution_options().get("paploop_write"):
            raw.execute("BEGIN")
            return
        # SQLite's own wait backs off to naps of 100 ms, which sleep through the gaps that bulk writes leave.
        raw.execute("PRAGMA busy_timeout=0")
        try:
            self._take_write_lock(raw)
        finally:
            raw.execute(f"PRAGMA busy_timeout={int(self._lock_wait * 1000)}")

    def _take_write_lock(self, raw: sqlite3.Connection) -> None:
        end = time.monotonic() + self._lock_wait
        while True:
            try:
                raw.execute("BEGIN IMMEDIATE")
            except sqlite3.OperationalError as error:
                if not error.sqlite_errorname.startswith("SQLITE_BUSY") or time.monotonic() > end:
                    raise
                time.sleep(_POLL)
            else:
                return

    @contextmanager
    def _in_words(self) -> Iterator[None]:
        try:
            yield
        except PapLoopError:
            raise
        except IntegrityError as error:
            raise Conflict(
                f"The database refused a change that conflicts with its content ({error.orig}). Check the "
                "current state and try again.",
                code="database.clash",
            ) from error
        except StatementError as error:
            if isinstance(error.orig, PapLoopError):
                raise error.orig from error
            raise database_error(error, self._lock_wait) from error
        except sqlite3.Error as error:
            raise database_error(error, self._lock_wait) from error
        except PoolTimeout as error:
            raise Unavailable(
                "All database connections are busy; try again in a moment.", code="database.busy"
            ) from error
        except (OverflowError, UnicodeEncodeError) as error:
            raise unstorable(error) from error


def _create_engine(url: str, lock_wait: float) -> Engine:
    try:
        parsed = make_url(url)
        name = parsed.get_backend_name()
        if name not in ("sqlite", "postgresql"):
            raise BadRequest(
                f"PapLoop supports SQLite and PostgreSQL, not {name}. Change the database URL.",
                code="database.bad_url",
            )
        if name == "sqlite" and parsed.database in (None, "", ":memory:"):
            raise BadRequest(
                "An in-memory database would lose everything. Use a database URL with a file name.",
                code="database.bad_url",
            )
        return create_engine(
            parsed,
            pool_size=10,
            max_overflow=20,
            pool_timeout=lock_wait,
            pool_pre_ping=name == "postgresql",
            json_serializer=to_json,
        )
    except ImportError as error:
        raise BadRequest(
            f"The driver of this database is not installed ({error}); run `pip install 'paploop[postgres]'` "
            "and use a URL that starts with postgresql+psycopg://.",
            code="database.bad_url",
        ) from error
    except (ArgumentError, NoSuchModuleError) as error:
        raise BadRequest(
            "The database URL is not valid. Use a URL such as sqlite:////path/to/paploop.db or "
            "postgresql+psycopg://user:password@host/name.",
            code="database.bad_url",
        ) from error


def _refuse_inherited(
    _connection: object,
    record: Any,  # noqa: ANN401  (SQLAlchemy's own recipe sets what its types make read-only)
    proxy: Any,  # noqa: ANN401
) -> None:
    # A forked child must not talk through its parent's sockets and file handles.
    if record.info["pid"] != os.getpid():
        record.dbapi_connection = proxy.dbapi_connection = None
        raise DisconnectionError("connection belongs to another process")


def to_json(value: object) -> str:
    """JSON for a column; accepts numpy numbers and arrays, refuses NaN and infinity.

    Raises:
        BadRequest: the value cannot be written as JSON.
    """
    try:
        return json.dumps(value, default=_plain_json, allow_nan=False, separators=(",", ":"))
    except (ValueError, TypeError, RecursionError) as error:
        raise BadRequest(
            f"A value cannot be stored as JSON ({error}); correct it and send it again.", code="database.unstorable"
        ) from error


def _plain_json(value: object) -> object:
    if isinstance(value, np.generic | np.ndarray):
        return value.tolist()
    if isinstance(value, set | frozenset):
        return sorted(value)
    raise TypeError(f"{type(value).__name__} is not JSON")


def plain(value: object) -> object:
    """A numpy scalar as a Python one; drivers would store it as raw bytes."""
    return value.item() if isinstance(value, np.generic) else value


def chunks(values: Sequence[T], size: int = CHUNK) -> Iterator[Sequence[T]]:
    """Slices of at most `size`."""
    for start in range(0, len(values), size):
        yield values[start : start + size]


def paced(values: Sequence[T], pause: Callable[[float], None] = time.sleep) -> Iterator[Sequence[T]]:
    """Slices for one transaction each, with a short pause between them for other writers."""
    for number, part in enumerate(chunks(values)):
        if number:
            pause(_PAUSE)
        yield part
