"""Training cycles: opened once, moved step by step by compare-and-set."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection, Executable, Row, Update, func, insert, select, update

from ml_backend.errors import Busy, NotFound
from ml_backend.state.records import RunRow, WishRow
from ml_backend.state.run_metrics import Metrics
from ml_backend.state.run_request import Request
from ml_backend.state.tables import OPEN_STATES, runs

from .base import Rows, checked, columns, lock_project
from .wishes import covers, drop_wish, keep_wish, wish_of

_COLUMNS = columns(runs, RunRow)


@dataclass(frozen=True)
class Asked:
    """A requested run.

    Attributes:
        kind: "train" or "rank".
        reason: why, in words.
        seed: of its random choices.
        change: number of the latest change of labels.
        request: what the run is to use from its first moment on.
    """

    kind: str
    reason: str
    seed: int
    change: int
    request: Request = field(default_factory=Request)


class RunRows(Rows):
    """SQL of the runs table."""

    def ask(self, project_id: int, asked: Asked, now: float) -> tuple[RunRow, bool]:
        """Open a run, or record that it is to follow the open one; removes a wish that it fulfills.

        An open run that nobody has begun to prepare takes in everything that is known now, so it is enough where it is
        of the kind asked for.

        Returns:
            The open run, and whether it is the one asked for.

        Raises:
            NotFound: the project is not connected.
        """
        with self._db.write() as connection:
            lock_project(connection, int(project_id))
            present = _open_in(connection, project_id)
            if present is None:
                return _open(connection, project_id, asked, now), True
            untouched = present.state == "prepare" and present.attempts == 0
            if untouched and covers(present.kind, asked.kind):
                return present, True
            keep_wish(connection, project_id, asked.kind, asked.reason, now)
            return present, False

    def wish(self, project_id: int) -> WishRow | None:
        """The run that follows the open one, or None."""
        with self._db.read() as connection:
            return wish_of(connection, project_id)

    def open_wished(self, project_id: int, seed: int, change: int, now: float) -> RunRow | None:
        """Open the run that was requested while another was open; None while that one is open, or without a request.

        Raises:
            NotFound: the project is not connected.
        """
        with self._db.write() as connection:
            lock_project(connection, int(project_id))
            wished = wish_of(connection, project_id)
            if wished is None or _open_in(connection, project_id) is not None:
                return None
            return _open(connection, project_id, Asked(wished.kind, wished.reason, seed, change), now)

    def replace_open(self, project_id: int, ended: str, asked: Asked, now: float) -> RunRow:
        """In one transaction: end the open run, if there is one, with a reason, and open another in its place.

        Raises:
            NotFound: the project is not connected.
        """
        with self._db.write() as connection:
            lock_project(connection, int(project_id))
            present = _open_in(connection, project_id)
            if present is not None:
                connection.execute(_ending(present.id, ended, now))
            return _open(connection, project_id, asked, now)

    def end(self, run_id: int, error: str, now: float) -> bool:
        """Mark an open run as failed; False when it has ended already, which changes nothing."""
        return self._update_runs(_ending(run_id, error, now)) > 0

    def one(self, run_id: int) -> RunRow:
        """One run.

        Raises:
            NotFound: there is none with that number.
        """
        with self._db.read() as connection:
            return _run_in(connection, run_id)

    def latest(self, project_id: int, limit: int = 50) -> list[RunRow]:
        """The latest runs of a project, newest first."""
        return self._select_runs(
            select(*_COLUMNS).where(runs.c.project_id == int(project_id)).order_by(runs.c.id.desc()).limit(limit)
        )

    def all_open(self) -> list[RunRow]:
        """Open runs of all projects, oldest first."""
        return self._select_runs(select(*_COLUMNS).where(runs.c.state.in_(OPEN_STATES)).order_by(runs.c.id))

    def open_of(self, project_id: int) -> RunRow | None:
        """The open run of a project, or None."""
        with self._db.read() as connection:
            return _open_in(connection, project_id)

    def covered_change(self, project_id: int) -> int:
        """Number of the latest annotation change that a training run has used; failed runs have used none."""
        query = select(func.max(runs.c.change)).where(
            runs.c.project_id == int(project_id), runs.c.kind == "train", runs.c.state != "failed"
        )
        with self._db.read() as connection:
            return int(connection.execute(query).scalar_one_or_none() or 0)

    def first_split_use(self, project_id: int) -> int | None:
        """The first training run that may have learned from one side of the split, None before it."""
        query = select(func.min(runs.c.id)).where(
            runs.c.project_id == int(project_id), runs.c.kind == "train", runs.c.state != "failed"
        )
        with self._db.read() as connection:
            return connection.execute(query).scalar_one_or_none()

    def failed_in_a_row(self, project_id: int, limit: int = 20, kinds: Sequence[str] = ("train",)) -> list[RunRow]:
        """Runs of these kinds that failed since the last one that did not, newest first."""
        query = select(*_COLUMNS).where(runs.c.project_id == int(project_id), runs.c.kind.in_(kinds))
        failed = []
        for run in self._select_runs(query.order_by(runs.c.id.desc()).limit(limit)):
            if run.state != "failed":
                break
            failed.append(run)
        return failed

    def _select_runs(self, query: Executable) -> list[RunRow]:
        with self._db.read() as connection:
            return [_run(row) for row in connection.execute(query)]

    def update(self, run_id: int, **values: object) -> None:
        """Set columns of a run.

        Raises:
            NotFound: there is none with that number.
            Conflict: it would be a second open run of its project.
        """
        if self._update_runs(update(runs).where(runs.c.id == int(run_id)).values(checked(runs, values))) == 0:
            raise _unknown(run_id)

    def advance(self, run_id: int, from_state: str, to_state: str, **values: object) -> RunRow:
        """Move a run to its next state if it is still in the expected one.

        Raises:
            NotFound: there is none with that number.
            Busy: somebody else has moved it.
        """
        move = (
            update(runs)
            .where(runs.c.id == int(run_id), runs.c.state == from_state)
            .values(checked(runs, {**values, "state": to_state}))
        )
        if self._update_runs(move) == 0:
            present = self.one(run_id).state
            raise Busy(
                f"Run {run_id} is in '{present}', not in '{from_state}': another process changed it. Read it again.",
                code="run.moved_on",
                run=run_id,
            )
        return self.one(run_id)

    def _update_runs(self, change: Update) -> int:
        with self._db.write() as connection:
            return connection.execute(change).rowcount


def _unknown(run_id: int) -> NotFound:
    return NotFound(f"There is no run {run_id}. `paploop runs` lists all runs.", code="run.unknown", run=run_id)


def _run(row: Row[Any]) -> RunRow:
    values = row._asdict()
    return RunRow(**values | {"request": Request.of(values["request"]), "metrics": Metrics.of(values["metrics"])})


def _run_in(connection: Connection, run_id: int) -> RunRow:
    row = connection.execute(select(*_COLUMNS).where(runs.c.id == int(run_id))).first()
    if row is None:
        raise _unknown(run_id)
    return _run(row)


def _open_in(connection: Connection, project_id: int) -> RunRow | None:
    query = select(*_COLUMNS).where(runs.c.project_id == int(project_id), runs.c.state.in_(OPEN_STATES))
    row = connection.execute(query).first()
    return None if row is None else _run(row)


def _open(connection: Connection, project_id: int, asked: Asked, now: float) -> RunRow:
    """A new run; a wish that it fulfils is forgotten."""
    wished = wish_of(connection, project_id)
    if wished is not None and covers(asked.kind, wished.kind):
        drop_wish(connection, project_id)
    fields = {name: getattr(asked, name) for name in ("kind", "reason", "seed", "change")}
    fields |= {"request": asked.request, "created_at": now}
    key = connection.execute(
        insert(runs).values(project_id=int(project_id), **checked(runs, fields))
    ).inserted_primary_key
    assert key is not None
    return _run_in(connection, int(key[0]))


def _ending(run_id: int, error: str, now: float) -> Update:
    still_open = (runs.c.id == int(run_id), runs.c.state.in_(OPEN_STATES))
    return update(runs).where(*still_open).values(state="failed", error=error, finished_at=now)
