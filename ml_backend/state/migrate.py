"""Bring a database to the present schema."""

from __future__ import annotations

from .database import Database
from .tables import metadata


def migrate(database: Database) -> None:
    """Create the tables that are missing."""
    database.use_wal()
    with database.write() as connection:
        metadata.create_all(connection)
