"""PapLoop's database: one repository per aggregate, each with all statements on its tables."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Self

from .database import Database
from .migrate import migrate
from .project_settings import ProjectSettings
from .records import NewItem, ProjectRow
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


class Store:
    """One database and its repositories.

    Safe for threads and for several processes on one database. Every method of a repository is a transaction of its
    own; bulk writes are a series of short ones that can be repeated.

    Args:
        url: SQLAlchemy URL of a SQLite file or of PostgreSQL.
        clock: seconds since the epoch, for the few methods where passing the time is optional.
        lock_wait: seconds a writer waits for its turn.

    Attributes:
        projects: projects and their settings.
        items: images and the tasks that show them.
        labels: annotations, and the numbers of their changes.
        events: webhooks as they came in.
        runs: training cycles, and the wish for the next one.
        answers: class probabilities that a run's model gave.
        detections: packed objects that a run's model found.
        proposals: results that came with imported labels.
        rankings: orders and their places.
        effort: what experts changed of what they were shown.
        categories: numbers of classes that exports keep.
    """

    def __init__(self, url: str, *, clock: Callable[[], float] = time.time, lock_wait: float = 30.0) -> None:
        self.url = url
        self.database = Database(url, lock_wait=lock_wait)
        self.projects = ProjectRows(self.database, clock)
        self.items = ItemRows(self.database, clock)
        self.labels = AnnotationRows(self.database, clock)
        self.events = EventRows(self.database, clock)
        self.runs = RunRows(self.database, clock)
        self.answers = PredictionRows(self.database, clock)
        self.detections = DetectionRows(self.database, clock)
        self.proposals = ProposalRows(self.database, clock)
        self.rankings = RankingRows(self.database, clock)
        self.effort = EffortRows(self.database, clock)
        self.categories = CategoryRows(self.database, clock)

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

    def upsert_project(
        self, project_id: int, title: str, label_config: str, now: float, *, settings: ProjectSettings | None = None
    ) -> ProjectRow:
        """`projects.upsert`, for scripts outside this repository that set up a project."""
        return self.projects.upsert(project_id, title, label_config, now, settings=settings)

    def add_items(self, project_id: int, new: Sequence[NewItem], now: float) -> list[int]:
        """`items.add`, for scripts outside this repository that set up a project."""
        return self.items.add(project_id, new, now)

    def close(self) -> None:
        """Give all connections back; the store may be used again and reconnects then."""
        self.database.close()
