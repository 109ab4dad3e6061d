"""Annotations as Label Studio last showed them, with a project-wide number for every change.

A change is whatever alters what an annotation teaches: its result or ground-truth flag while it is neither skipped nor
deleted, nor empty (which says something only where objects are drawn). Skips, opened-and-saved annotations and new lead
times are recorded but count for nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from sqlalchemy import ColumnElement, Connection, bindparam, func, insert, select, update

from ml_backend.state.database import chunks, paced
from ml_backend.state.records import AnnotationRow
from ml_backend.state.tables import annotation_rows
from ml_backend.times import time_or_epoch

from .base import Rows, columns, lock_project

_COLUMNS = columns(annotation_rows, AnnotationRow)
_SET = [c.name for c in annotation_rows.c if c.name != "id"]
_UPDATE = (
    update(annotation_rows).where(annotation_rows.c.id == bindparam("key")).values({n: bindparam(n) for n in _SET})
)


class AnnotationRows(Rows):
    """SQL of the annotations table; rows are marked deleted, never removed, so that counting survives."""

    def upsert(
        self,
        project_id: int,
        new: Sequence[AnnotationRow],
        now: float | None = None,
        *,
        revive: bool = True,
        empty_counts: bool = False,
    ) -> int:
        """Record annotations; one that is not newer than what is stored changes nothing.

        Args:
            project_id: their project.
            new: the annotations as Label Studio shows them.
            now: time of recording, unix seconds; the store's clock if None.
            revive: bring back a deleted one that is not newer, too. False for webhooks, which may arrive late or
                twice; True for what Label Studio lists at this moment.
            empty_counts: an annotation without regions teaches something.

        Returns:
            How many changes of labels that made.

        Raises:
            NotFound: the project is not connected.
        """
        latest: dict[int, AnnotationRow] = {}
        for row in new:
            if row.id not in latest or _newer(row.updated_at, latest[row.id].updated_at):
                latest[row.id] = row
        changed = 0
        for part in paced(list(latest.values())):
            with self._db.write() as connection:
                changed += _upsert(connection, int(project_id), part, self._time(now), revive, empty_counts)
        return changed

    def delete(
        self, project_id: int, ids: Iterable[int], now: float | None = None, *, empty_counts: bool = False
    ) -> int:
        """Record that annotations are gone; returns how many label changes that makes."""
        return self._delete_annotations(project_id, annotation_rows.c.id, ids, now, empty_counts)

    def delete_of_tasks(
        self, project_id: int, task_ids: Iterable[int], now: float | None = None, *, empty_counts: bool = False
    ) -> int:
        """Record that all annotations of some tasks are gone; returns how many label changes that makes."""
        return self._delete_annotations(project_id, annotation_rows.c.task_id, task_ids, now, empty_counts)

    def all(self, project_id: int) -> list[AnnotationRow]:
        """All that are not deleted, by id; skipped and empty ones included."""
        query = select(*_COLUMNS).where(
            annotation_rows.c.project_id == int(project_id), annotation_rows.c.deleted.is_(False)
        )
        with self._db.read() as connection:
            return [AnnotationRow(*row) for row in connection.execute(query.order_by(annotation_rows.c.id))]

    def ids(self, project_id: int, task_ids: Iterable[int] | None = None) -> dict[int, set[int]]:
        """Ids of annotations that are not deleted, by task; of all tasks if none are named."""
        query = select(annotation_rows.c.task_id, annotation_rows.c.id).where(
            annotation_rows.c.project_id == int(project_id), annotation_rows.c.deleted.is_(False)
        )
        found: dict[int, set[int]] = {}
        with self._db.read() as connection:
            parts = [None] if task_ids is None else list(chunks(sorted({int(task) for task in task_ids})))
            for part in parts:
                narrowed = query if part is None else query.where(annotation_rows.c.task_id.in_(part))
                for task, annotation in connection.execute(narrowed):
                    found.setdefault(task, set()).add(annotation)
        return found

    def counts(self, project_id: int) -> tuple[int, int]:
        """Numbers of annotations and of skips that are not deleted."""
        mine = (annotation_rows.c.project_id == int(project_id), annotation_rows.c.deleted.is_(False))
        skipped = annotation_rows.c.was_cancelled
        query = select(skipped, func.count()).where(*mine).group_by(skipped)
        with self._db.read() as connection:
            found = {bool(is_skip): int(count) for is_skip, count in connection.execute(query)}
        return found.get(False, 0), found.get(True, 0)

    def last_change(self, project_id: int) -> int:
        """Number of the latest change, 0 before the first."""
        with self._db.read() as connection:
            return _last_change(connection, int(project_id))

    def changes_since(self, project_id: int, change: int) -> int:
        """How many tasks had a label added, changed or deleted after change number `change`."""
        query = select(func.count(annotation_rows.c.task_id.distinct())).where(
            annotation_rows.c.project_id == int(project_id), annotation_rows.c.change > int(change)
        )
        with self._db.read() as connection:
            return int(connection.execute(query).scalar_one())

    def first_change_after(self, project_id: int, change: int) -> float | None:
        """Time of the oldest change after change number `change`, or None."""
        query = select(func.min(annotation_rows.c.changed_at)).where(
            annotation_rows.c.project_id == int(project_id), annotation_rows.c.change > int(change)
        )
        with self._db.read() as connection:
            found = connection.execute(query).scalar_one_or_none()
        return None if found is None else float(found)

    def _delete_annotations(
        self, project_id: int, column: ColumnElement[int], values: Iterable[int], now: float | None, empty_counts: bool
    ) -> int:
        changed = 0
        for part in paced(sorted({int(value) for value in values})):
            query = select(*_COLUMNS).where(
                annotation_rows.c.project_id == int(project_id), column.in_(part), annotation_rows.c.deleted.is_(False)
            )
            with self._db.write() as connection:
                lock_project(connection, int(project_id))
                old = [AnnotationRow(*row) for row in connection.execute(query.order_by(annotation_rows.c.id))]
                pairs = [(row, replace(row, deleted=True)) for row in old]
                changed += _save(connection, int(project_id), pairs, self._time(now), empty_counts)
        return changed


def _upsert(
    connection: Connection,
    project_id: int,
    new: Sequence[AnnotationRow],
    now: float,
    revive: bool,
    empty_counts: bool,
) -> int:
    lock_project(connection, project_id)
    query = select(*_COLUMNS).where(annotation_rows.c.id.in_([row.id for row in new]))
    known = {row.id: AnnotationRow(*row) for row in connection.execute(query)}
    pairs = []
    for row in new:
        old = known.get(row.id)
        if old is None or _newer(row.updated_at, old.updated_at) or (old.deleted and revive):
            pairs.append((old, replace(row, deleted=False)))
    return _save(connection, project_id, pairs, now, empty_counts)


def _save(
    connection: Connection,
    project_id: int,
    pairs: Sequence[tuple[AnnotationRow | None, AnnotationRow]],
    now: float,
    empty_counts: bool,
) -> int:
    """Write the second of each pair over the first; number those whose label differs."""
    start = last = _last_change(connection, project_id)
    inserts, updates = [], []
    for old, new in pairs:
        values = {name: getattr(new, name) for name in _SET} | {"project_id": project_id, "result": list(new.result)}
        before = old.label(empty_counts=empty_counts) if old else None
        if before != new.label(empty_counts=empty_counts):
            last += 1
            values |= {"change": last, "changed_at": now}
        else:
            values |= {"change": old.change if old else 0, "changed_at": old.changed_at if old else 0.0}
        if old is None:
            inserts.append({"id": int(new.id), **values})
        else:
            updates.append({"key": int(new.id), **values})
    if inserts:
        connection.execute(insert(annotation_rows), inserts)
    if updates:
        connection.execute(_UPDATE, updates)
    return last - start


def _last_change(connection: Connection, project_id: int) -> int:
    query = select(func.max(annotation_rows.c.change)).where(annotation_rows.c.project_id == project_id)
    return int(connection.execute(query).scalar_one_or_none() or 0)


def _newer(left: str, right: str) -> bool:
    """Whether ISO time `left` is later; text that is not a time counts as oldest."""
    return time_or_epoch(left) > time_or_epoch(right)
