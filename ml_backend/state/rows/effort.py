"""What experts did with the regions that were proposed to them, one row per annotation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict

from sqlalchemy import and_, or_, select

from ml_backend.state.database import paced
from ml_backend.state.records import AnnotationRow, EffortRow
from ml_backend.state.tables import annotation_rows, effort

from .base import Rows, columns

_COLUMNS = columns(effort, EffortRow)
_ANNOTATION = columns(annotation_rows, AnnotationRow)
_LIVE = and_(annotation_rows.c.deleted.is_(False), annotation_rows.c.was_cancelled.is_(False))


class EffortRows(Rows):
    """SQL of the effort table; a row is made once for each state of an annotation, while it is known what was shown."""

    def missing(self, project_id: int, limit: int = 500) -> list[AnnotationRow]:
        """Finished annotations that have no row for their present state, oldest first."""
        joined = annotation_rows.outerjoin(effort, effort.c.annotation_id == annotation_rows.c.id)
        query = (
            select(*_ANNOTATION)
            .select_from(joined)
            .where(
                annotation_rows.c.project_id == int(project_id),
                _LIVE,
                or_(effort.c.annotation_id.is_(None), effort.c.updated_at != annotation_rows.c.updated_at),
            )
            .order_by(annotation_rows.c.id)
            .limit(limit)
        )
        with self._db.read() as connection:
            return [AnnotationRow(*row) for row in connection.execute(query)]

    def save(self, project_id: int, rows: Sequence[EffortRow]) -> None:
        """Store rows; one of the same annotation is replaced."""
        latest = {row.annotation_id: row for row in rows}
        for part in paced([asdict(latest[number]) | {"project_id": int(project_id)} for number in sorted(latest)]):
            new = self._db.insert(effort)
            values = {c.name: new.excluded[c.name] for c in effort.c if not c.primary_key}
            with self._db.write() as connection:
                # Two workers may look at the same annotation at once; a delete beside an insert would clash then.
                connection.execute(new.on_conflict_do_update(index_elements=["annotation_id"], set_=values), part)

    def all(self, project_id: int) -> list[EffortRow]:
        """Rows of annotations that are neither deleted nor skips now, by annotation id."""
        query = (
            select(*_COLUMNS)
            .select_from(effort.join(annotation_rows, effort.c.annotation_id == annotation_rows.c.id))
            .where(effort.c.project_id == int(project_id), _LIVE)
            .order_by(effort.c.annotation_id)
        )
        with self._db.read() as connection:
            return [EffortRow(*row) for row in connection.execute(query)]
