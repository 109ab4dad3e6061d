"""Imported pre-annotations by item; shown where no model of the project has a prediction."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from sqlalchemy import delete, insert, select

from ml_backend.state.database import chunks, paced
from ml_backend.state.free_form import Json
from ml_backend.state.tables import proposals

from .base import Rows


class ProposalRows(Rows):
    """SQL of the proposals table."""

    def save(self, project_id: int, results: Mapping[int, Sequence[Json]], now: float) -> None:
        """Store Label Studio's results by item id; those of the same items are replaced."""
        rows = [
            {"item_id": item, "project_id": int(project_id), "result": list(results[item]), "created_at": now}
            for item in sorted(map(int, results))
        ]
        for part in paced(rows):
            with self._db.write() as connection:
                connection.execute(delete(proposals).where(proposals.c.item_id.in_([row["item_id"] for row in part])))
                connection.execute(insert(proposals), part)

    def of(self, project_id: int, item_ids: Iterable[int]) -> dict[int, list[Json]]:
        """Results by item id, for those of the items that have any stored."""
        found: dict[int, list[Json]] = {}
        with self._db.read() as connection:
            for part in chunks(sorted({int(item) for item in item_ids})):
                query = select(proposals.c.item_id, proposals.c.result).where(
                    proposals.c.project_id == int(project_id), proposals.c.item_id.in_(part)
                )
                found.update({item: list(result) for item, result in connection.execute(query)})
        return found

    def any(self, project_id: int) -> bool:
        """Whether anything was imported."""
        query = select(proposals.c.item_id).where(proposals.c.project_id == int(project_id)).limit(1)
        with self._db.read() as connection:
            return connection.execute(query).first() is not None
