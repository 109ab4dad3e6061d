"""The database of PapLoop: every statement lives in `rows`, one class per aggregate."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Self

from .database import Database
from .migrate import migrate
from .rows.annotations import AnnotationRows
from .rows.categories import CategoryRows
from .rows.detections import DetectionRows
from .rows.effort import EffortRows
from .rows.events import EventRows
from .rows.items import ItemRows
from .rows.predictions import PredictionRows
from .rows.projects import ProjectRows
from .rows.proposals import ProposalRows
from .rows.rankings import RankingRows
from .rows.runs import RunRows
from .rows.wishes import WishRows


class Store(
    ProjectRows,
    ItemRows,
    AnnotationRows,
    EventRows,
    RunRows,
    WishRows,
    PredictionRows,
    DetectionRows,
    ProposalRows,
    RankingRows,
    EffortRows,
    CategoryRows,
):
    """Projects, items, annotations, events, runs, wishes, answers, proposals, rankings, effort and category numbers.

    Safe for threads and for several processes on one database. Every method is a transaction of its own; bulk writes
    are a series of short ones that can be repeated.

    Args:
        url: SQLAlchemy URL of a SQLite file or of PostgreSQL.
        clock: seconds since the epoch, for the few methods where passing the time is optional.
        lock_wait: seconds a writer waits for its turn.
    """

    def __init__(self, url: str, *, clock: Callable[[], float] = time.time, lock_wait: float = 30.0) -> None:
        super().__init__(Database(url, lock_wait=lock_wait), clock)
        self.url = url

    @classmethod
    def open(cls, url: str, *, clock: Callable[[], float] = time.time, lock_wait: float = 30.0) -> Self:
        """A store on a database whose schema is up to date; many processes may open it at once.

        Raises:
            BadRequest: the URL is not one PapLoop can use.
            Conflict: the database was written by a newer PapLoop.
            Unavailable: the database is away, locked or cannot be written.
        """
        store = cls(url, clock=clock, lock_wait=lock_wait)
        try:
            migrate(store.database)
        except BaseException:
            store.close()
            raise
        return store

    @property
    def database(self) -> Database:
        """The connections, for migrations and backups."""
        return self._db

    def close(self) -> None:
        """Give all connections back; the store may be used again and reconnects then."""
        self._db.close()
