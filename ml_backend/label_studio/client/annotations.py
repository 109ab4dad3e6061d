"""The label stream: take the next task; submit, change or delete an annotation."""

from __future__ import annotations

from collections.abc import Sequence

from ml_backend.errors import NotFound
from ml_backend.label_studio.client.wire import Json, Wire
from ml_backend.label_studio.regions import Result


class Annotations(Wire):
    """The label stream and single annotations."""

    def next_task(self, project_id: int) -> Json | None:
        """The task that the token's user would be given now (and which is then locked for them), or None.

        Raises:
            NotFound: there is no such project.
        """
        try:
            return self._object("GET", f"api/projects/{project_id}/next")
        except NotFound as error:
            if "no tasks" in str(error):
                return None
            raise

    def create_annotation(
        self,
        task_id: int,
        result: Sequence[Result],
        lead_time: float | None = None,
        was_cancelled: bool = False,
        parent_prediction: int | None = None,
        ground_truth: bool = False,
    ) -> Json:
        """Submit an annotation (or a skip) as the editor does; returns it as stored."""
        body: dict[str, object] = {"result": list(result), "was_cancelled": was_cancelled, "ground_truth": ground_truth}
        if lead_time is not None:
            body["lead_time"] = lead_time
        if parent_prediction is not None:
            body["parent_prediction"] = parent_prediction
        return self._object("POST", f"api/tasks/{task_id}/annotations/", json=body)

    def task_annotations(self, task_id: int) -> list[Json]:
        """The annotations of a task, skips among them."""
        return self._objects("GET", f"api/tasks/{task_id}/annotations/")

    def update_annotation(self, annotation_id: int, **fields: object) -> Json:
        """Change an annotation."""
        return self._object("PATCH", f"api/annotations/{annotation_id}/", json=fields)

    def delete_annotation(self, annotation_id: int) -> None:
        """Delete an annotation."""
        self._request("DELETE", f"api/annotations/{annotation_id}/")
