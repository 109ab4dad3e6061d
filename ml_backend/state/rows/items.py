"""The images of a project."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import fields
from typing import Any

from sqlalchemy import Column, String, bindparam, case, cast, func, literal, select, update

from ml_backend.errors import Conflict, NotFound
from ml_backend.state.database import chunks, paced, plain
from ml_backend.state.records import ItemChange, ItemRow, NewItem
from ml_backend.state.tables import items

from .base import Rows, checked, columns, lock_project

_COLUMNS = columns(items, ItemRow)
_NEW = [field.name for field in fields(NewItem)]


class ItemRows(Rows):
    """SQL of the items table. Bulk changes are committed in parts; repeating one after a crash completes it."""

    def add(self, project_id: int, new: Sequence[NewItem], now: float) -> list[int]:
        """Record images; one whose source is known keeps its row as it is.

        Returns:
            The item ids, in the order of `new`.

        Raises:
            NotFound: the project is not connected.
            Conflict: a task id is taken by another source.
        """
        ids: list[int] = []
        for part in paced(new):
            ids.extend(self._add_items(int(project_id), part, now))
        return ids

    def _add_items(self, project_id: int, new: Sequence[NewItem], now: float) -> list[int]:
        sources = [item.source for item in new]
        rows = [
            {name: plain(getattr(item, name)) for name in _NEW} | {"project_id": project_id, "created_at": now}
            for item in new
        ]
        known = select(items.c.source, items.c.id).where(items.c.project_id == project_id, items.c.source.in_(sources))
        with self._db.write() as connection:
            lock_project(connection, project_id)
            before = dict(connection.execute(known).all())
            missing = [row for row in rows if row["source"] not in before]
            if missing:
                connection.execute(self._db.insert(items).on_conflict_do_nothing(), missing)
            after = dict(connection.execute(known).all())
            taken = next((item for item in new if item.source not in after), None)
            if taken is not None:
                raise Conflict(
                    f"Task {taken.task_id} already has an item with another source than {taken.source!r:.200}; "
                    "look it up by task instead of adding it.",
                    code="item.task_taken",
                )
        return [after[source] for source in sources]

    def all(self, project_id: int, states: Collection[str] | None = None) -> list[ItemRow]:
        """Items by id, those in `states` if given."""
        query = select(*_COLUMNS).where(items.c.project_id == int(project_id)).order_by(items.c.id)
        if states is not None:
            query = query.where(items.c.state.in_(sorted(states)))
        with self._db.read() as connection:
            return [ItemRow(*row) for row in connection.execute(query)]

    def by_id(self, project_id: int, item_ids: Iterable[int]) -> dict[int, ItemRow]:
        """Known items by their id."""
        return {row.id: row for row in self._select_items(project_id, items.c.id, map(int, item_ids))}

    def one(self, item_id: int) -> ItemRow:
        """One item of any project.

        Raises:
            NotFound: there is none with that number.
        """
        with self._db.read() as connection:
            row = connection.execute(select(*_COLUMNS).where(items.c.id == int(item_id))).one_or_none()
        if row is None:
            raise NotFound(
                f"There is no item {item_id}; `paploop ingest` adds images.", code="item.unknown", item=item_id
            )
        return ItemRow(*row)

    def by_task(self, project_id: int, task_ids: Iterable[int]) -> dict[int, ItemRow]:
        """Known items by Label Studio's task id."""
        rows = self._select_items(project_id, items.c.task_id, map(int, task_ids))
        return {row.task_id: row for row in rows if row.task_id is not None}

    def _select_items(self, project_id: int, column: Column[Any], values: Iterable[int]) -> list[ItemRow]:
        wanted = sorted(set(values))
        found: list[ItemRow] = []
        with self._db.read() as connection:
            for part in chunks(wanted):
                query = select(*_COLUMNS).where(items.c.project_id == int(project_id), column.in_(part))
                found.extend(ItemRow(*row) for row in connection.execute(query))
        return sorted(found, key=lambda row: row.id)

    def has_tasks_after(self, project_id: int, item_id: int) -> bool:
        """Whether a usable image with a task came in after this item."""
        query = select(items.c.id).where(
            items.c.project_id == int(project_id),
            items.c.id > int(item_id),
            items.c.state.in_(("new", "ready")),
            items.c.task_id.is_not(None),
        )
        with self._db.read() as connection:
            return connection.execute(query.limit(1)).first() is not None

    def newest_settled(self, project_id: int) -> int:
        """The highest number among images that were looked at, 0 without any."""
        query = select(func.max(items.c.id)).where(items.c.project_id == int(project_id), items.c.state != "new")
        with self._db.read() as connection:
            return int(connection.execute(query).scalar_one_or_none() or 0)

    def set_tasks(self, project_id: int, task_of_item: Mapping[int, int]) -> None:
        """Record which task each item became.

        Raises:
            Conflict: a task already belongs to another item.
        """
        change = (
            update(items)
            .where(items.c.id == bindparam("key"), items.c.project_id == int(project_id))
            .values(task_id=bindparam("task"))
        )
        for part in paced([{"key": int(item), "task": int(task)} for item, task in task_of_item.items()]):
            with self._db.write() as connection:
                connection.execute(change, part)

    def update(self, rows: Sequence[ItemChange]) -> None:
        """Set columns of many items; what a change does not name stays as it is.

        Raises:
            TypeError: a name is not a column that may be set.
        """
        groups: dict[tuple[str, ...], list[dict[str, object]]] = {}
        for row in rows:
            values = checked(items, {name: value for name, value in row.items() if name != "id"})
            groups.setdefault(tuple(sorted(values)), []).append({"key": int(row["id"]), **values})
        for names, values_of_group in groups.items():
            change = update(items).where(items.c.id == bindparam("key")).values({n: bindparam(n) for n in names})
            for part in paced(values_of_group) if names else ():
                with self._db.write() as connection:
                    connection.execute(change, part)

    def mark_tasks_deleted(self, project_id: int, task_ids: Iterable[int]) -> int:
        """Record that Label Studio deleted tasks; returns how many items are affected.

        The items let go of their task ids: Label Studio gives the id of a deleted task to another image later on.
        """
        count = 0
        foreign = items.c.source == literal("task:").concat(cast(items.c.task_id, String))
        for part in paced(sorted({int(task) for task in task_ids})):
            change = (
                update(items)
                .where(items.c.project_id == int(project_id), items.c.task_id.in_(part), items.c.state != "deleted")
                .values(
                    state="deleted",
                    reason="the task was deleted in Label Studio",
                    source=case((foreign, literal("deleted:").concat(cast(items.c.id, String))), else_=items.c.source),
                    task_id=None,
                )
            )
            with self._db.write() as connection:
                count += connection.execute(change).rowcount
        return count

    def count(self, project_id: int) -> dict[str, int]:
        """Number of items per state."""
        query = select(items.c.state, func.count()).where(items.c.project_id == int(project_id)).group_by(items.c.state)
        with self._db.read() as connection:
            return dict(connection.execute(query).all())
