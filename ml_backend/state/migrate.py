"""Migrate a database to the current schema; any number of processes may try at once."""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import Connection, inspect, text

from ml_backend.errors import Conflict

from .database import Database
from .migrations import HEAD

_FOLDER = Path(__file__).with_name("migrations")
_ADVISORY_KEY = 7_262_715_667


def migrate(database: Database) -> None:
    """Run the migrations that are missing, in one transaction that lets one process at a time in.

    Raises:
        Conflict: the database was written by a newer PapLoop.
        Unavailable: the database is away, locked or cannot be written.
    """
    database.use_wal()
    if revision(database) == HEAD:
        return
    with database.write() as connection:
        if not database.is_sqlite:
            connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _ADVISORY_KEY})
        present = _revision(connection)
        if present != HEAD:
            _upgrade(connection, present)


def revision(database: Database) -> str | None:
    """The schema revision of a database; None if it is empty."""
    with database.read() as connection:
        return _revision(connection)


def _revision(connection: Connection) -> str | None:
    if not inspect(connection).has_table("alembic_version"):
        return None
    return connection.execute(text("SELECT version_num FROM alembic_version")).scalar_one_or_none()


def _upgrade(connection: Connection, present: str | None) -> None:
    # Imported here because a start on an up-to-date database, the usual one, does not need it.
    from alembic import command
    from alembic.config import Config
    from alembic.script import ScriptDirectory

    config = Config(attributes={"connection": connection})
    config.set_main_option("script_location", str(_FOLDER).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    known = {script.revision for script in ScriptDirectory.from_config(config).walk_revisions()}
    if present is not None and present not in known:
        raise Conflict(
            f"The database was written by a newer PapLoop (its schema is {present}; this version supports up "
            f"to {HEAD}). Install that version, or restore a backup made with this one.",
            code="database.newer",
        )
    command.upgrade(config, "head")
