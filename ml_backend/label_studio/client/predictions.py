"""Predictions in bulk, and the version that annotators see."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence

from ml_backend.errors import BadRequest, NotFound
from ml_backend.label_studio.client.tasks import ID_PAGE, Tasks, where
from ml_backend.label_studio.client.wire import Json
from ml_backend.label_studio.numbers import identifier

IMPORT_CALL = 10_000
"""Predictions in one call: each recounts all predictions of the project, so few large calls are far faster."""


CALL_REGIONS = 10_000
"""Regions in one call: Label Studio checks each against the labeling config before it responds."""


class UnknownTasks(NotFound):
    """Predictions were sent for tasks that the project does not have (any more).

    Attributes:
        task_ids: the unknown ids, ascending.
    """

    code = "label_studio.unknown_tasks"

    def __init__(self, project_id: int, task_ids: Sequence[int]) -> None:
        self.task_ids = tuple(sorted(task_ids))
        some = ", ".join(str(number) for number in self.task_ids[:10])
        more = f" and {len(self.task_ids) - 10} more" if len(self.task_ids) > 10 else ""
        super().__init__(
            f"Project {project_id} has no task {some}{more}, so Label Studio refused the predictions; leave "
            "out these tasks and send the others again."
        )


def _checked(prediction: Mapping[str, object]) -> Mapping[str, object]:
    """Label Studio returns 201 and drops what it does not accept, so this is checked before sending."""
    score, task = prediction.get("score"), prediction.get("task")
    if not isinstance(score, (int, float)) or isinstance(score, bool) or not (math.isfinite(score) and 0 <= score <= 1):
        raise BadRequest(f"The prediction for task {task} has the score {score!r}; it must be a number from 0 to 1.")
    if not isinstance(prediction.get("result"), list) or not prediction.get("model_version"):
        raise BadRequest(f"The prediction for task {task} has no result list or no model version. Give both.")
    return prediction


def _regions(prediction: Mapping[str, object]) -> int:
    result = prediction.get("result")
    return len(result) if isinstance(result, list) else 0


def _calls(body: Sequence[Mapping[str, object]], call_size: int) -> Iterator[list[Mapping[str, object]]]:
    """The predictions in parts of at most `call_size`, and of not many more regions than `CALL_REGIONS`."""
    part: list[Mapping[str, object]] = []
    regions = 0
    for prediction in body:
        if part and (len(part) >= call_size or regions >= CALL_REGIONS):
            yield part
            part, regions = [], 0
        part.append(prediction)
        regions += _regions(prediction)
    if part:
        yield part


class Predictions(Tasks):
    """Predictions and model versions of a project."""

    def import_predictions(
        self,
        project_id: int,
        predictions: Sequence[Mapping[str, object]],
        progress: Callable[[float, str], None] | None = None,
        call_size: int = IMPORT_CALL,
    ) -> int:
        """Import predictions in large calls; returns how many Label Studio stored.

        Label Studio drops regions that do not fit the label config without a word, so compare the answer with
        `len(predictions)`. Importing is not idempotent: the same prediction twice makes two.

        Args:
            project_id: the project.
            predictions: each with `task`, `score` in [0, 1], `model_version` and `result` (may be empty).
            progress: called with the progress.
            call_size: predictions in one call.

        Raises:
            UnknownTasks: some tasks are not in the project; the calls before the refused one stay stored.
            BadRequest: a prediction lacks something, or Label Studio refused the call for another reason.
        """
        body = [_checked(prediction) for prediction in predictions]
        created = done = 0
        for part in _calls(body, call_size):
            created += self._import_part(project_id, part)
            done += len(part)
            if progress is not None:
                progress(done / len(body), f"{done} of {len(body)} predictions")
        return created

    def _import_part(self, project_id: int, part: Sequence[Mapping[str, object]]) -> int:
        path = f"api/projects/{project_id}/import/predictions"
        try:
            seconds = 60 + 0.1 * len(part) + 0.02 * sum(map(_regions, part))
            answer = self._object("POST", path, json=part, seconds=seconds)
        except BadRequest:
            tasks = {number for prediction in part if (number := identifier(prediction.get("task"))) is not None}
            unknown = tasks - self.task_ids(project_id)
            if unknown:
                raise UnknownTasks(project_id, sorted(unknown)) from None
            raise
        created = answer.get("created")
        if not isinstance(created, int):
            raise self._odd("POST", path, "a count of predictions")
        return created

    def model_versions(self, project_id: int) -> dict[str, int]:
        """How many predictions each version has."""
        path = f"api/projects/{project_id}/model-versions/"
        rows = self._object("GET", path, params={"extended": "true"}).get("static") or []
        return {str(row["model_version"]): int(row["count"]) for row in rows}

    def set_model_version(self, project_id: int, version: str) -> None:
        """Switch the version that orders the label stream and is shown; the atomic step of a publish.

        Raises:
            BadRequest: no prediction has this version.
        """
        self._object("PATCH", f"api/projects/{project_id}/", json={"model_version": version})

    def delete_model_version(self, project_id: int, version: str) -> int:
        """Delete all predictions of a version (about 100 a second); returns how many, 0 when there were none."""
        path = f"api/projects/{project_id}/model-versions/"
        answer = self._object("DELETE", path, json={"model_version": version}, seconds=1800)
        return int(answer.get("deleted_predictions") or 0)

    def prediction_task_ids(self, project_id: int, version: str) -> set[int]:
        """The tasks that have a prediction of exactly this version."""
        # Label Studio's filter matches parts of names ("v1" finds "v10"), so the names are compared here.
        named = [where("predictions_model_versions", "contains", "List", [version])]
        extra: Json = {"include": "id,predictions_model_versions"}
        rows = self._by_id(project_id, named, extra, ID_PAGE)
        return {int(row["id"]) for row in rows if version in str(row.get("predictions_model_versions", "")).split(",")}
