"""Tasks: bulk import, and listings that stay correct while tasks change."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from datetime import timedelta

from ml_backend.errors import BadRequest, NotFound
from ml_backend.label_studio.client.wire import Json, Wire
from ml_backend.times import format_time, parse_time

IMPORT_CALL = 1000
"""Tasks in one import call."""

LISTING_PAGE = 200
"""Whole tasks in one page; more make Label Studio slow."""

ID_PAGE = 1000
"""Ids in one page."""

# Label Studio applies `include` to nested objects too, so the fields of annotations are named here as well. It leaves
# out predictions and display columns, which makes listings about four times faster.
FIELDS = (
    "id,data,meta,project,created_at,updated_at,is_labeled,total_annotations,cancelled_annotations,annotations,"
    "result,completed_by,was_cancelled,ground_truth,lead_time,parent_prediction,task,draft_created_at"
)

_ONE_MICROSECOND = timedelta(microseconds=1)


def where(column: str, operator: str, kind: str, value: object) -> Json:
    """One condition of a task listing."""
    return {"filter": f"filter:tasks:{column}", "operator": operator, "type": kind, "value": value}


class Tasks(Wire):
    """Tasks: import, read, list, delete."""

    def import_tasks(
        self,
        project_id: int,
        tasks: Sequence[Json],
        progress: Callable[[float, str], None] | None = None,
        call_size: int = IMPORT_CALL,
    ) -> list[int]:
        """Import tasks in calls of about 1,000; returns their ids in the order given.

        Importing is not idempotent: the same task twice makes two tasks.

        Raises:
            BadRequest: a task lacks what the label config needs, or Label Studio answered fewer ids than sent.
        """
        ids: list[int] = []
        for start in range(0, len(tasks), call_size):
            part = list(tasks[start : start + call_size])
            body = self._object(
                "POST",
                f"api/projects/{project_id}/import",
                params={"return_task_ids": "true"},
                json=part,
                seconds=60 + 0.1 * len(part),
            )
            made = body.get("task_ids")
            if not isinstance(made, list) or len(made) != len(part):
                raise BadRequest(
                    f"Label Studio created {len(made) if isinstance(made, list) else 'an unknown number of'} of "
                    f"{len(part)} tasks sent to project {project_id}. Check its import log and run the import "
                    "again."
                )
            ids += [int(number) for number in made]
            if progress is not None:
                progress(len(ids) / len(tasks), f"{len(ids)} of {len(tasks)} tasks")
        return ids

    def task(self, task_id: int) -> Json:
        """One task with annotations and predictions, its URIs as stored.

        Raises:
            NotFound: there is no such task.
        """
        return self._object("GET", f"api/tasks/{task_id}/", params={"resolve_uri": "false"})

    def delete_tasks(self, project_id: int, task_ids: Sequence[int]) -> None:
        """Delete tasks with all their annotations and predictions."""
        if task_ids:
            self._request(
                "POST",
                "api/dm/actions",
                params={"id": "delete_tasks", "project": project_id},
                json={"selectedItems": {"all": False, "included": list(task_ids)}},
                seconds=60 + 0.1 * len(task_ids),
            )

    def task_ids(self, project_id: int) -> set[int]:
        """The ids of all tasks of a project."""
        return {int(row["id"]) for row in self._by_id(project_id, [], {"include": "id"}, ID_PAGE)}

    def tasks_by_ids(self, project_id: int, task_ids: Sequence[int]) -> Iterator[Json]:
        """The tasks among `task_ids` that still exist, with annotations, URIs as stored."""
        wanted = sorted(set(task_ids))
        for start in range(0, len(wanted), LISTING_PAGE):
            part = wanted[start : start + LISTING_PAGE]
            yield from self._page(
                project_id, [where("id", "in_list", "Number", part)], "tasks:id", 1, len(part), self._whole()
            )

    def tasks_updated_since(self, project_id: int, since: str = "") -> Iterator[Json]:
        """Tasks changed after a moment, oldest change first, with annotations, URIs as stored.

        Every page asks again from the last change seen, so tasks that change meanwhile move to the end of the list and
        are seen again instead of pushing others past a page border. A task may come twice, the later one newer.

        Args:
            project_id: the project.
            since: ISO time; empty = from the beginning.
        """
        cursor, page = parse_time(since), 1
        seen: set[tuple[int, str]] = set()
        while True:
            changed = [where("updated_at", "greater", "Datetime", format_time(cursor))]
            rows = self._page(project_id, changed, "tasks:updated_at", page, LISTING_PAGE, self._whole())
            for row in rows:
                key = (int(row["id"]), str(row.get("updated_at")))
                if key not in seen:
                    seen.add(key)
                    yield row
            if len(rows) < LISTING_PAGE:
                return
            # Others may share the last moment: ask from just before it, or turn the page when all share it.
            last = parse_time(str(rows[-1].get("updated_at") or "")) - _ONE_MICROSECOND
            if last > cursor:
                cursor, page = last, 1
            else:
                page += 1

    def annotation_ids(self, project_id: int) -> dict[int, set[int]]:
        """Annotation ids (skips among them) of every task that has any; for finding deletions."""
        found: dict[int, set[int]] = {}
        for column in ("total_annotations", "cancelled_annotations"):
            some = [where(column, "greater", "Number", 0)]
            for row in self._by_id(project_id, some, {"fields": "all", "include": "id,annotations"}, ID_PAGE):
                ids = {int(annotation["id"]) for annotation in row.get("annotations") or []}
                found.setdefault(int(row["id"]), set()).update(ids)
        return found

    def _whole(self) -> Json:
        return {"fields": "all", "include": FIELDS}

    def _by_id(self, project_id: int, filters: list[Json], extra: Json, size: int) -> Iterator[Json]:
        """All matching tasks in id order; each page starts after the last id, so deletions shift nothing."""
        last = 0
        while True:
            after = [*filters, where("id", "greater", "Number", last)]
            rows = self._page(project_id, after, "tasks:id", 1, size, extra)
            yield from rows
            if len(rows) < size:
                return
            last = int(rows[-1]["id"])

    def _page(
        self, project_id: int, filters: list[Json], ordering: str, page: int, size: int, extra: Json
    ) -> list[Json]:
        query = {"filters": {"conjunction": "and", "items": filters}, "ordering": [ordering]}
        params = {
            "project": project_id,
            "page": page,
            "page_size": size,
            "resolve_uri": "false",
            "query": json.dumps(query),
            **extra,
        }
        try:
            body = self._object("GET", "api/tasks/", params=params, seconds=120)
        except NotFound as error:
            if page > 1 and "Invalid page" in str(error):
                return []
            raise
        rows = body.get("tasks")
        if not isinstance(rows, list) or any(not isinstance(row, dict) or "id" not in row for row in rows):
            raise self._odd("GET", "api/tasks/", "a page of tasks")
        if "fields" in extra and any("annotations" not in row for row in rows):
            raise self._odd("GET", "api/tasks/", "tasks with annotations")
        return rows
