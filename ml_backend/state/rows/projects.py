"""Projects and their settings."""

from __future__ import annotations

from sqlalchemy import delete, select, update

from ml_backend.state.project_settings import ProjectSettings
from ml_backend.state.records import ProjectRow
from ml_backend.state.tables import (
    annotation_rows,
    events,
    items,
    predictions,
    projects,
    ranking_entries,
    rankings,
    runs,
)

from .base import Rows, checked, columns, lock_project, unknown_project
from .wishes import keep_wish

_COLUMNS = columns(projects, ProjectRow)


class ProjectRows(Rows):
    """SQL of the projects table."""

    def upsert(
        self,
        project_id: int,
        title: str,
        label_config: str,
        now: float,
        *,
        settings: ProjectSettings | None = None,
        train_why: str = "",
    ) -> ProjectRow:
        """Record a project, or its new title and config; Label Studio has it, so it is not gone.

        Args:
            project_id: Label Studio's project id.
            title: its title.
            label_config: its label config.
            now: unix seconds.
            settings: they count only when the project is new.
            train_why: why a training run has to follow; noted in the same transaction, so that no kill parts the two.
        """
        new = self._db.insert(projects).values(
            id=int(project_id),
            title=title[:300],
            label_config=label_config,
            settings=(settings or ProjectSettings.parse({})).model_dump(),
            created_at=now,
        )
        with self._db.write() as connection:
            connection.execute(
                new.on_conflict_do_update(
                    index_elements=["id"],
                    set_={
                        "title": new.excluded.title,
                        "label_config": new.excluded.label_config,
                        "gone_at": None,
                    },
                )
            )
            if train_why:
                lock_project(connection, int(project_id))
                keep_wish(connection, project_id, "train", train_why, now)
        return self.one(project_id)

    def one(self, project_id: int) -> ProjectRow:
        """One project.

        Raises:
            NotFound: PapLoop does not know it.
        """
        with self._db.read() as connection:
            row = connection.execute(select(*_COLUMNS).where(projects.c.id == int(project_id))).first()
        if row is None:
            raise unknown_project(project_id)
        return ProjectRow(*row)

    def all(self) -> list[ProjectRow]:
        """All projects by id."""
        with self._db.read() as connection:
            return [ProjectRow(*row) for row in connection.execute(select(*_COLUMNS).order_by(projects.c.id))]

    def update(self, project_id: int, **values: object) -> None:
        """Set columns of a project.

        Raises:
            NotFound: PapLoop does not know it.
        """
        change = update(projects).where(projects.c.id == int(project_id)).values(checked(projects, values))
        with self._db.write() as connection:
            if connection.execute(change).rowcount == 0:
                raise unknown_project(project_id)

    def settings(self, project_id: int) -> ProjectSettings:
        """The settings of a project.

        Raises:
            NotFound: PapLoop does not know it.
            BadRequest: what is stored is not valid any more.
        """
        with self._db.read() as connection:
            row = connection.execute(select(projects.c.settings).where(projects.c.id == int(project_id))).first()
        if row is None:
            raise unknown_project(project_id)
        return ProjectSettings.stored(row.settings)

    def save_settings(self, project_id: int, settings: ProjectSettings) -> None:
        """Replace the settings of a project.

        Raises:
            NotFound: PapLoop does not know it.
        """
        self.update(project_id, settings=settings.model_dump())

    def delete(self, project_id: int) -> None:
        """Forget a project and everything recorded about it; unknown ones are not an error."""
        mine = int(project_id)
        its_rankings = select(rankings.c.id).where(rankings.c.project_id == mine)
        its_runs = select(runs.c.id).where(runs.c.project_id == mine)
        with self._db.write() as connection:
            connection.execute(delete(ranking_entries).where(ranking_entries.c.ranking_id.in_(its_rankings)))
            connection.execute(delete(predictions).where(predictions.c.run_id.in_(its_runs)))
            for table in (rankings, runs, annotation_rows, items, events):
                connection.execute(delete(table).where(table.c.project_id == mine))
            connection.execute(delete(projects).where(projects.c.id == mine))
