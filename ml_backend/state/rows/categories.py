"""Numbers of the classes in exported files: a class keeps its number for the life of its project."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import insert, select

from ml_backend.state.tables import categories

from .base import Rows, lock_project


class CategoryRows(Rows):
    """SQL of the categories table."""

    def numbers(self, project_id: int, names: Sequence[str]) -> dict[str, int]:
        """The number of each class name, from 1.

        A name that is new takes the number after the largest that was ever given, those of one call in their order. No
        number passes to another name, so files of different days agree, whatever the labeling config does in between.

        Args:
            project_id: Label Studio's project id.
            names: classes of the labeling config.

        Raises:
            NotFound: the project is not connected.
        """
        query = select(categories.c.name, categories.c.number).where(categories.c.project_id == int(project_id))
        with self._db.write() as connection:
            lock_project(connection, int(project_id))
            known = dict(connection.execute(query).all())
            first = max(known.values(), default=0) + 1
            new = {name: first + place for place, name in enumerate(n for n in dict.fromkeys(names) if n not in known)}
            if new:
                rows = [{"project_id": int(project_id), "name": name, "number": number} for name, number in new.items()]
                connection.execute(insert(categories), rows)
        return {name: (known | new)[name] for name in names}
