"""Consistent copies of a SQLite database, taken while it is in use."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

from ml_backend.errors import BadRequest, Conflict

from .database import Database


def snapshot(database: Database, target: Path) -> None:
    """Copy the database as it is at this moment; writers go on meanwhile.

    Raises:
        Conflict: the database is PostgreSQL, which brings its own tool.
        Unavailable: the database or the disk fails.
    """
    if not database.is_sqlite:
        raise Conflict(
            "The state is in PostgreSQL. Back it up with `pg_dump`, and copy the folders 'vectors' and 'runs' "
            "and the file 'secrets.json' from the data directory."
        )
    with database.read() as connection, closing(sqlite3.connect(target)) as copy:
        source = connection.connection.driver_connection
        assert isinstance(source, sqlite3.Connection)
        source.backup(copy)
        # One plain file without companions, whatever the original does.
        copy.execute("PRAGMA journal_mode=DELETE")


def check_integrity(path: Path) -> None:
    """Read a SQLite file from end to end.

    Raises:
        BadRequest: it is damaged, or no SQLite database.
    """
    try:
        with closing(sqlite3.connect(path.resolve().as_uri() + "?mode=ro", uri=True)) as connection:
            (verdict,) = connection.execute("PRAGMA integrity_check(1)").fetchone()
    except sqlite3.Error as error:
        verdict = str(error)
    if verdict != "ok":
        raise BadRequest(f"The database in the backup is damaged ({verdict}); use another backup.")
