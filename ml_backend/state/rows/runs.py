"""Training cycles: opened once, moved step by step by compare-and-set."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Update, func, insert, select, update
from sqlalchemy.exc import IntegrityError

from ml_backend.errors import Conflict, NotFound
from ml_backend.state.records import RunRow
from ml_backend.state.tables import OPEN_STATES, runs

from .base import Rows, checked, columns, lock_project

_COLUMNS = columns(runs, RunRow)


class RunRows(Rows):
    """SQL of the runs table."""

    def open_run(
        self, project_id: int, *, kind: str, reason: str, seed: int, change: int, now: float, **values: Any
    ) -> RunRow | None:
        """Open a run, in state "prepare" unless `values` say otherwise; None when the project has an open one.

        Safe whoever calls at the same moment: the partial unique index lets one through.

        Raises:
            NotFound: PapLoop does not know the project.
        """
        fields = {"kind": kind, "reason": reason, "seed": seed, "change": change, "created_at": now, **values}
        new = insert(runs).values(project_id=int(project_id), **checked(runs, fields))
        try:
            with self._db.write() as connection:
                lock_project(connection, int(project_id))
                if connection.execute(_open_of(project_id)).first() is not None:
                    return None
                key = connection.execute(new).inserted_primary_key
        except Conflict as error:
            if isinstance(error.__cause__, IntegrityError):
                return None
            raise
        assert key is not None
        return self.run(int(key[0]))

    def run(self, run_id: int) -> RunRow:
        """One run.

        Raises:
            NotFound: there is none with that number.
        """
        with self._db.read() as connection:
            row = connection.execute(select(*_COLUMNS).where(runs.c.id == int(run_id))).first()
        if row is None:
            raise NotFound(f"There is no run {run_id}; `paploop runs` lists those there are.")
        return RunRow(*row)

    def runs(self, project_id: int, limit: int = 50) -> list[RunRow]:
        """The latest runs of a project, newest first."""
        return self._select_runs(
            select(*_COLUMNS).where(runs.c.project_id == int(project_id)).order_by(runs.c.id.desc()).limit(limit)
        )

    def open_runs(self) -> list[RunRow]:
        """Open runs of all projects, oldest first."""
        return self._select_runs(select(*_COLUMNS).where(runs.c.state.in_(OPEN_STATES)).order_by(runs.c.id))

    def open_run_of(self, project_id: int) -> RunRow | None:
        """The open run of a project, or None."""
        return next(iter(self._select_runs(_open_of(project_id))), None)

    def covered_change(self, project_id: int) -> int:
        """Number of the latest annotation change that a training run has looked at; failed runs count."""
        query = select(func.max(runs.c.change)).where(runs.c.project_id == int(project_id), runs.c.kind == "train")
        with self._db.read() as connection:
            return int(connection.execute(query).scalar_one_or_none() or 0)

    def _select_runs(self, query: Any) -> list[RunRow]:
        with self._db.read() as connection:
            return [RunRow(*row) for row in connection.execute(query)]

    def update_run(self, run_id: int, **values: Any) -> None:
        """Set columns of a run.

        Raises:
            NotFound: there is none with that number.
            Conflict: it would be a second open run of its project.
        """
        if self._update_runs(update(runs).where(runs.c.id == int(run_id)).values(checked(runs, values))) == 0:
            raise NotFound(f"There is no run {run_id}; `paploop runs` lists those there are.")

    def advance_run(self, run_id: int, from_state: str, to_state: str, **values: Any) -> RunRow:
        """Move a run to its next state, if it still is where the caller thinks.

        Raises:
            NotFound: there is none with that number.
            Conflict: somebody else has moved it.
        """
        move = (
            update(runs)
            .where(runs.c.id == int(run_id), runs.c.state == from_state)
            .values(checked(runs, {**values, "state": to_state}))
        )
        if self._update_runs(move) == 0:
            present = self.run(run_id).state
            raise Conflict(
                f"Run {run_id} is in '{present}', not in '{from_state}': another process moved it; read it again."
            )
        return self.run(run_id)

    def _update_runs(self, change: Update) -> int:
        with self._db.write() as connection:
            return connection.execute(change).rowcount


def _open_of(project_id: int) -> Any:
    return select(*_COLUMNS).where(runs.c.project_id == int(project_id), runs.c.state.in_(OPEN_STATES))
