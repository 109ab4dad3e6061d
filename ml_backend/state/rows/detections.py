"""Predictions of detectors, packed, by run and item."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from sqlalchemy import delete, insert, select

from ml_backend.state.database import chunks, paced
from ml_backend.state.tables import detections

from .base import Rows
from .predictions import answered_items, delete_in_parts, runs_with_answers


class DetectionRows(Rows):
    """SQL of the detections table."""

    def save(self, run_id: int, found: Mapping[int, bytes]) -> None:
        """Store predictions by item id, replacing those of the same items."""
        rows = [
            {"run_id": int(run_id), "item_id": int(item), "found": bytes(found[item])}
            for item in sorted(map(int, found))
        ]
        for part in paced(rows):
            ids = [row["item_id"] for row in part]
            with self._db.write() as connection:
                connection.execute(
                    delete(detections).where(detections.c.run_id == int(run_id), detections.c.item_id.in_(ids))
                )
                connection.execute(insert(detections), part)

    def items(self, run_id: int) -> set[int]:
        """Items for which a run has a prediction."""
        return answered_items(self._db, detections, run_id)

    def of(self, run_id: int, item_ids: Iterable[int]) -> dict[int, bytes]:
        """Predictions of a run for some items, by item id; items without one are left out."""
        found: dict[int, bytes] = {}
        wanted = sorted({int(item) for item in item_ids})
        with self._db.read() as connection:
            for part in chunks(wanted):
                query = select(detections.c.item_id, detections.c.found).where(
                    detections.c.run_id == int(run_id), detections.c.item_id.in_(part)
                )
                found.update({item: bytes(content) for item, content in connection.execute(query)})
        return found

    def delete(self, run_id: int) -> None:
        """Remove the predictions of a run."""
        delete_in_parts(self._db, detections, "run_id", int(run_id))

    def runs(self, project_id: int) -> list[int]:
        """Runs of a project with stored predictions, oldest first."""
        return runs_with_answers(self._db, detections, project_id)
