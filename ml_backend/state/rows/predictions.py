"""Class probabilities that runs stored, and what `/predict` reads."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from sqlalchemy import Connection, Table, and_, case, delete, insert, select

from ml_backend.errors import BadRequest
from ml_backend.state.arrays import FloatArray, IntArray
from ml_backend.state.class_probs import ClassProbs
from ml_backend.state.database import CHUNK, Database, chunks, paced
from ml_backend.state.records import Served
from ml_backend.state.tables import (
    class_lists,
    detections,
    items,
    predictions,
    projects,
    ranking_entries,
    rankings,
    runs,
)

from .base import Rows


class PredictionRows(Rows):
    """SQL of the predictions table."""

    def save(self, run_id: int, item_ids: Sequence[int] | IntArray, probs: FloatArray, classes: Sequence[str]) -> None:
        """Replace the stored probabilities of a run.

        Args:
            run_id: the run.
            item_ids: n distinct items.
            probs: `(n, classes)` float32.
            classes: names of its columns.

        Raises:
            BadRequest: the shapes do not fit, a value is not finite or two classes have one name.
        """
        ids = np.asarray(item_ids, dtype=np.int64)
        values = np.ascontiguousarray(probs, dtype="<f4")
        if values.ndim != 2 or values.shape[:1] != ids.shape or len(np.unique(ids)) != len(ids):
            raise BadRequest(
                f"Run {run_id}: got probabilities of shape {values.shape} for {len(ids)} items; "
                "they must be one row per distinct item."
            )
        if values.shape[1] != len(classes) or len(set(classes)) != len(classes):
            raise BadRequest(
                f"Run {run_id}: {values.shape[1]} probabilities per item for the classes {', '.join(classes)}. "
                "Each needs its own name."
            )
        if not np.isfinite(values).all():
            item = int(ids[~np.isfinite(values).all(axis=1)][0])
            raise BadRequest(f"Run {run_id}: the probabilities of item {item} are not finite. Check that image.")
        self.delete(run_id)
        class_list = self._class_list(classes)
        rows = [
            {"run_id": int(run_id), "item_id": item, "probs": row.tobytes(), "class_list": class_list}
            for item, row in zip(ids.tolist(), values, strict=True)
        ]
        rows.sort(key=lambda row: int(row["item_id"]))
        for part in paced(rows):
            with self._db.write() as connection:
                connection.execute(insert(predictions), part)

    def _class_list(self, classes: Sequence[str]) -> int:
        names = [str(name) for name in classes]
        digest = hashlib.sha256(json.dumps(names).encode()).hexdigest()
        new = self._db.insert(class_lists).values(digest=digest, names=names).on_conflict_do_nothing()
        with self._db.write() as connection:
            connection.execute(new)
            found = connection.execute(select(class_lists.c.id).where(class_lists.c.digest == digest)).scalar_one()
        return int(found)

    def of(self, run_id: int, item_ids: Iterable[int] | None = None) -> ClassProbs:
        """The stored probabilities of a run with the names of their classes, of all items if none is named."""
        query = select(predictions.c.item_id, predictions.c.probs, predictions.c.class_list).where(
            predictions.c.run_id == int(run_id)
        )
        parts = [None] if item_ids is None else list(chunks(sorted({int(item) for item in item_ids})))
        with self._db.read() as connection:
            rows = [
                row
                for part in parts
                for row in connection.execute(
                    (query if part is None else query.where(predictions.c.item_id.in_(part))).order_by(
                        predictions.c.item_id
                    )
                ).all()
            ]
            names = _names(connection, {row.class_list for row in rows})
        return _joined(rows, names)

    def items(self, run_id: int) -> set[int]:
        """Items that a run has stored probabilities for."""
        return answered_items(self._db, predictions, run_id)

    def runs(self, project_id: int) -> list[int]:
        """Runs of a project with stored probabilities, oldest first."""
        return runs_with_answers(self._db, predictions, project_id)

    def delete(self, run_id: int) -> None:
        """Remove the stored probabilities of a run."""
        delete_in_parts(self._db, predictions, "run_id", int(run_id))

    def served(self, project_id: int, task_ids: Iterable[int]) -> dict[int, Served]:
        """What is stored for some tasks under the active ranking; unknown tasks are left out."""
        found: dict[int, Served] = {}
        wanted = sorted({int(task) for task in task_ids})
        with self._db.read() as connection:
            for part in chunks(wanted):
                query = _SERVED.where(items.c.project_id == int(project_id), items.c.task_id.in_(part))
                rows = connection.execute(query).all()
                names = _names(connection, {row.class_list for row in rows if row.class_list is not None})
                for task, item, score, position, probs, listed, run, version, seen in rows:
                    array = None if probs is None else np.frombuffer(probs, dtype="<f4").astype(np.float32)
                    place = 1.0 if score is None else score
                    classes = names.get(listed, ())
                    found[task] = Served(item, place, position, array, run, version or "", seen, classes)
        return found


# Without an active ranking the promoted run speaks; with one, the run behind it, so that probabilities and
# model_version always belong together.
_RUN = case((rankings.c.id.is_(None), projects.c.active_run_id), else_=rankings.c.run_id)
_SERVED = select(
    items.c.task_id,
    items.c.id,
    ranking_entries.c.score,
    ranking_entries.c.position,
    predictions.c.probs,
    predictions.c.class_list,
    _RUN,
    rankings.c.version,
    detections.c.found,
).select_from(
    items.join(projects, projects.c.id == items.c.project_id)
    .outerjoin(rankings, and_(rankings.c.project_id == projects.c.id, rankings.c.state == "active"))
    .outerjoin(
        ranking_entries,
        and_(ranking_entries.c.ranking_id == rankings.c.id, ranking_entries.c.item_id == items.c.id),
    )
    .outerjoin(predictions, and_(predictions.c.run_id == _RUN, predictions.c.item_id == items.c.id))
    .outerjoin(detections, and_(detections.c.run_id == _RUN, detections.c.item_id == items.c.id))
)


def _names(connection: Connection, wanted: set[int]) -> dict[int, tuple[str, ...]]:
    query = select(class_lists.c.id, class_lists.c.names).where(class_lists.c.id.in_(sorted(wanted)))
    return {row.id: tuple(row.names) for row in connection.execute(query)} if wanted else {}


def _joined(rows: Sequence[Any], names: Mapping[int, tuple[str, ...]]) -> ClassProbs:
    """Rows under one class list: that of all of them, or every class that one of them knows."""
    classes = tuple(dict.fromkeys(name for listed in sorted(names) for name in names[listed]))
    ids = np.fromiter((row.item_id for row in rows), np.int64, len(rows))
    probs = np.zeros((len(rows), len(classes)), dtype=np.float32)
    lists = np.fromiter((row.class_list for row in rows), np.int64, len(rows))
    for listed, mine in names.items():
        places = np.flatnonzero(lists == listed)
        values = np.frombuffer(b"".join(rows[place].probs for place in places), dtype="<f4")
        columns = np.array([classes.index(name) for name in mine], dtype=np.int64)
        probs[np.ix_(places, columns)] = values.reshape(len(places), len(mine))
    return ClassProbs(ids, probs, classes)


def answered_items(database: Database, table: Table, run_id: int) -> set[int]:
    """Items that have a row of a run in a table of predictions."""
    query = select(table.c.item_id).where(table.c.run_id == int(run_id))
    with database.read() as connection:
        return set(connection.execute(query).scalars())


def runs_with_answers(database: Database, table: Table, project_id: int) -> list[int]:
    """Runs of a project with rows in a table of predictions, oldest first."""
    stored = select(table.c.run_id).where(table.c.run_id == runs.c.id).exists()
    query = select(runs.c.id).where(runs.c.project_id == int(project_id), stored).order_by(runs.c.id)
    with database.read() as connection:
        return list(connection.execute(query).scalars())


def delete_in_parts(database: Database, table: Table, owner: str, owner_id: int) -> None:
    """Delete the rows of one owner, a short transaction at a time."""
    mine = table.c[owner] == owner_id
    boundary = select(table.c.item_id).where(mine).order_by(table.c.item_id).offset(CHUNK - 1).limit(1)
    while True:
        with database.write() as connection:
            last = connection.execute(boundary).scalar_one_or_none()
            connection.execute(delete(table).where(mine, *([table.c.item_id <= last] if last is not None else [])))
        if last is None:
            return
