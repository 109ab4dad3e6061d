"""Class probabilities that runs stored, and what `/predict` reads."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
from sqlalchemy import Table, and_, case, delete, insert, select

from ml_backend.errors import BadRequest
from ml_backend.state.database import CHUNK, Database, chunks, paced
from ml_backend.state.records import Served
from ml_backend.state.tables import detections, items, predictions, projects, ranking_entries, rankings
from strategies.base import FloatArray, IntArray

from .base import Rows


class PredictionRows(Rows):
    """SQL of the predictions table."""

    def save_predictions(self, run_id: int, item_ids: Sequence[int] | IntArray, probs: FloatArray) -> None:
        """Replace the stored probabilities of a run; `probs` is `(n, classes)` float32, rows as `item_ids`.

        Raises:
            BadRequest: the shapes do not fit or a value is not finite.
        """
        ids = np.asarray(item_ids, dtype=np.int64)
        values = np.ascontiguousarray(probs, dtype="<f4")
        if values.ndim != 2 or values.shape[:1] != ids.shape or len(np.unique(ids)) != len(ids):
            raise BadRequest(
                f"Run {run_id}: got probabilities of shape {values.shape} for {len(ids)} items; "
                "they must be one row per distinct item."
            )
        if not np.isfinite(values).all():
            item = int(ids[~np.isfinite(values).all(axis=1)][0])
            raise BadRequest(f"Run {run_id}: the probabilities of item {item} are not finite; look at that image.")
        self.delete_predictions(run_id)
        rows = [
            {"run_id": int(run_id), "item_id": item, "probs": row.tobytes()}
            for item, row in zip(ids.tolist(), values, strict=True)
        ]
        rows.sort(key=lambda row: int(row["item_id"]))
        for part in paced(rows):
            with self._db.write() as connection:
                connection.execute(insert(predictions), part)

    def predictions(self, run_id: int, item_ids: Iterable[int] | None = None) -> tuple[IntArray, FloatArray]:
        """Item ids `(n,)` int64 ascending and their probabilities `(n, classes)` float32; all if none is named."""
        query = select(predictions.c.item_id, predictions.c.probs).where(predictions.c.run_id == int(run_id))
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
        if not rows:
            return np.empty(0, np.int64), np.empty((0, 0), np.float32)
        ids = np.fromiter((row.item_id for row in rows), np.int64, len(rows))
        probs = np.frombuffer(b"".join(row.probs for row in rows), dtype="<f4").reshape(len(rows), -1)
        return ids, probs.astype(np.float32)

    def delete_predictions(self, run_id: int) -> None:
        """Remove the stored probabilities of a run."""
        delete_in_parts(self._db, predictions, "run_id", int(run_id))

    def served(self, project_id: int, task_ids: Iterable[int]) -> dict[int, Served]:
        """What is stored for some tasks under the active ranking; unknown tasks are left out."""
        found: dict[int, Served] = {}
        wanted = sorted({int(task) for task in task_ids})
        with self._db.read() as connection:
            for part in chunks(wanted):
                query = _SERVED.where(items.c.project_id == int(project_id), items.c.task_id.in_(part))
                for task, item, score, position, probs, run, version, seen in connection.execute(query):
                    array = None if probs is None else np.frombuffer(probs, dtype="<f4").astype(np.float32)
                    place = 1.0 if score is None else score
                    found[task] = Served(item, place, position, array, run, version or "", seen)
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
