"""Orders of a project's items, and which of them Label Studio uses."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from sqlalchemy import ColumnElement, delete, insert, select, update

from ml_backend.errors import Busy, Conflict, NotFound
from ml_backend.state.database import paced, plain
from ml_backend.state.provenance import Provenance
from ml_backend.state.records import RankingEntry, RankingRow
from ml_backend.state.tables import OPEN_STATES, projects, ranking_entries, rankings, runs

from .base import Rows, as_stored, columns, lock_project
from .predictions import delete_in_parts

_COLUMNS = columns(rankings, RankingRow)
_ENTRY = columns(ranking_entries, RankingEntry)
_BUILDING = "building"


def ended_meanwhile(run_id: int) -> Busy:
    """The message for a run that was ended while it published."""
    return Busy(
        f"Run {run_id} was ended while it published; its order is not switched to.", code="run.ended", run=run_id
    )


class RankingRows(Rows):
    """SQL of the rankings and ranking_entries tables."""

    def add(
        self,
        project_id: int,
        run_id: int | None,
        opened_by: int,
        version: str,
        strategy: str,
        provenance: Provenance,
        entries: Sequence[RankingEntry],
        now: float,
    ) -> int:
        """Store an order as "prepared" and return its id; it is invisible until all entries are stored.

        Raises:
            NotFound: the project is not connected.
            Conflict: the version is taken, or an item comes twice.
        """
        ranking_id = self._begin_ranking(project_id, run_id, opened_by, version, strategy, provenance, now)
        rows = [
            {
                "ranking_id": ranking_id,
                "item_id": int(entry.item_id),
                "position": int(entry.position),
                "score": float(entry.score),
                "utility": float(entry.utility),
                "why": entry.why,
            }
            for entry in entries
        ]
        for part in paced(rows):
            with self._db.write() as connection:
                connection.execute(insert(ranking_entries), part)
        self.set_state(ranking_id, "prepared")
        return ranking_id

    def _begin_ranking(
        self,
        project_id: int,
        run_id: int | None,
        opened_by: int,
        version: str,
        strategy: str,
        provenance: Provenance,
        now: float,
    ) -> int:
        # What a crash left half built, by this run or under this version, makes room.
        with self._db.read() as connection:
            rubble = connection.execute(
                select(rankings.c.id).where(
                    rankings.c.state == _BUILDING,
                    (rankings.c.opened_by == int(opened_by)) | (rankings.c.version == version),
                )
            ).scalars()
            left = list(rubble)
        for ranking_id in left:
            self.delete(ranking_id)
        new = insert(rankings).values(
            project_id=int(project_id),
            run_id=plain(run_id),
            opened_by=int(opened_by),
            version=version,
            state=_BUILDING,
            strategy=strategy,
            provenance=as_stored(provenance),
            created_at=now,
        )
        with self._db.write() as connection:
            lock_project(connection, int(project_id))
            if connection.execute(select(rankings.c.id).where(rankings.c.version == version)).first():
                raise Conflict(
                    f"There is already a ranking with version '{version}'. Choose another name for this one.",
                    code="ranking.version_taken",
                    version=version,
                )
            key = connection.execute(new).inserted_primary_key
        assert key is not None
        return int(key[0])

    def one(self, ranking_id: int) -> RankingRow:
        """One ranking.

        Raises:
            NotFound: there is none with that id.
        """
        found = self._select_rankings(rankings.c.id == int(ranking_id))
        if not found:
            raise NotFound(
                f"There is no ranking {ranking_id}; list the project's rankings to see which there are.",
                code="ranking.unknown",
                ranking=ranking_id,
            )
        return found[0]

    def of_run(self, opened_by: int) -> RankingRow | None:
        """The latest complete ranking that a run published or prepared, or None."""
        return next(iter(self._select_rankings(rankings.c.opened_by == int(opened_by))), None)

    def active(self, project_id: int) -> RankingRow | None:
        """The ranking Label Studio uses, or None."""
        found = self._select_rankings(rankings.c.project_id == int(project_id), rankings.c.state == "active")
        return next(iter(found), None)

    def all(self, project_id: int, states: Collection[str] | None = None) -> list[RankingRow]:
        """Complete rankings of a project, newest first, those in `states` if given."""
        narrowed = [] if states is None else [rankings.c.state.in_(sorted(states))]
        return self._select_rankings(rankings.c.project_id == int(project_id), *narrowed)

    def _select_rankings(self, *conditions: ColumnElement[bool]) -> list[RankingRow]:
        query = select(*_COLUMNS).where(rankings.c.state != _BUILDING, *conditions).order_by(rankings.c.id.desc())
        with self._db.read() as connection:
            found = [row._asdict() for row in connection.execute(query)]
        return [RankingRow(**values | {"provenance": Provenance.of(values["provenance"])}) for values in found]

    def entries(self, ranking_id: int, limit: int | None = None) -> list[RankingEntry]:
        """Entries in the order of their positions."""
        query = select(*_ENTRY).where(ranking_entries.c.ranking_id == int(ranking_id))
        with self._db.read() as connection:
            rows = connection.execute(query.order_by(ranking_entries.c.position).limit(limit))
            return [RankingEntry(*row) for row in rows]

    def rename(self, ranking_id: int, version: str) -> None:
        """Give a ranking another model_version.

        Raises:
            NotFound: there is none with that id.
            Conflict: the version is taken.
        """
        self._set_ranking(ranking_id, version=version)

    def set_state(self, ranking_id: int, state: str) -> None:
        """Set the state of a ranking.

        Raises:
            NotFound: there is none with that id.
        """
        self._set_ranking(ranking_id, state=state)

    def _set_ranking(self, ranking_id: int, **values: str) -> None:
        with self._db.write() as connection:
            done = connection.execute(update(rankings).where(rankings.c.id == int(ranking_id)).values(**values))
            if done.rowcount == 0:
                raise NotFound(
                    f"There is no ranking {ranking_id}; it may have been deleted. Rank again.",
                    code="ranking.unknown",
                    ranking=ranking_id,
                )

    def activate(self, ranking_id: int, active_run_id: int | None, *, while_open: int | None = None) -> None:
        """In one transaction: this ranking active, its predecessors retired, project pointing to it and to the run.

        Args:
            ranking_id: the new order.
            active_run_id: the run whose model serves from now on.
            while_open: the run that publishes; where a roll-back has ended it meanwhile, nothing changes.

        Raises:
            NotFound: there is none with that id.
            Busy: the publishing run was ended.
        """
        row = self.one(ranking_id)
        mine = rankings.c.project_id == row.project_id
        with self._db.write() as connection:
            lock_project(connection, row.project_id)
            if while_open is not None:
                state = connection.execute(select(runs.c.state).where(runs.c.id == while_open)).scalar_one_or_none()
                if state not in OPEN_STATES:
                    raise ended_meanwhile(while_open)
            connection.execute(
                update(rankings)
                .where(mine, rankings.c.state == "active", rankings.c.id != row.id)
                .values(state="retired")
            )
            connection.execute(update(rankings).where(rankings.c.id == row.id).values(state="active"))
            connection.execute(
                update(projects)
                .where(projects.c.id == row.project_id)
                .values(active_version=row.version, active_run_id=plain(active_run_id))
            )

    def with_entries(self, project_id: int, states: Collection[str]) -> list[int]:
        """Rankings in `states` with stored positions, oldest first."""
        stored = select(ranking_entries.c.ranking_id).where(ranking_entries.c.ranking_id == rankings.c.id).exists()
        mine = (rankings.c.project_id == int(project_id), rankings.c.state.in_(sorted(states)))
        with self._db.read() as connection:
            return list(
                connection.execute(select(rankings.c.id).where(*mine, stored).order_by(rankings.c.id)).scalars()
            )

    def delete_entries(self, ranking_id: int) -> None:
        """Delete the positions of a ranking, but keep its row."""
        delete_in_parts(self._db, ranking_entries, "ranking_id", int(ranking_id))

    def delete(self, ranking_id: int) -> None:
        """Forget a ranking and its entries."""
        delete_in_parts(self._db, ranking_entries, "ranking_id", int(ranking_id))
        with self._db.write() as connection:
            connection.execute(delete(rankings).where(rankings.c.id == int(ranking_id)))
