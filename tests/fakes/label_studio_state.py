"""What the fake Label Studio knows, and its rules: counters, label stream, validation, `updated_at`."""

from __future__ import annotations

import random
import threading
import uuid
import xml.etree.ElementTree as ElementTree
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any

Row = dict[str, Any]

PROJECT_DEFAULTS: Row = {
    "description": "",
    "sampling": "Sequential sampling",
    "model_version": "",
    "maximum_annotations": 1,
    "min_annotations_to_start_training": 0,
    "show_collab_predictions": True,
    "evaluate_predictions_automatically": False,
    "skip_queue": "REQUEUE_FOR_OTHERS",
    "task_data_login": None,
    "task_data_password": None,
    "organization": 1,
    "created_by": 1,
}


def iso(moment: datetime) -> str:
    """Label Studio's own form; it leaves microseconds out where they are zero."""
    form = "%Y-%m-%dT%H:%M:%S.%fZ" if moment.microsecond else "%Y-%m-%dT%H:%M:%SZ"
    return moment.strftime(form)


@lru_cache(maxsize=8)
def _interface(config: str) -> Any:
    """What Label Studio itself checks predictions with."""
    from label_studio_sdk.label_interface import LabelInterface

    return LabelInterface(config)


class State:
    """Tables as dicts by id; every method expects the lock to be held by the caller."""

    def __init__(self, clock: Callable[[], datetime] | None = None, seed: int = 0) -> None:
        self.lock = threading.RLock()
        self.projects: dict[int, Row] = {}
        self.tasks: dict[int, Row] = {}
        self.annotations: dict[int, Row] = {}
        self.predictions: dict[int, Row] = {}
        self.backends: dict[int, Row] = {}
        self.webhooks: dict[int, Row] = {}
        self.task_locks: dict[tuple[int, int], int] = {}
        self.files: dict[str, tuple[bytes, str]] = {}
        self.dropped_tasks: set[int] = set()
        self._clock = clock or (lambda: datetime.now(UTC))
        self._last = datetime(2020, 1, 1, tzinfo=UTC)
        self._numbers: dict[str, int] = {}
        self.random = random.Random(seed)

    def now(self) -> str:
        """The time; never the same twice."""
        self._last = max(self._clock(), self._last + timedelta(microseconds=1))
        return iso(self._last)

    def number(self, table: str) -> int:
        self._numbers[table] = self._numbers.get(table, 0) + 1
        return self._numbers[table]

    def add_project(self, fields: Row) -> Row:
        number = self.number("project")
        now = self.now()
        row = {**PROJECT_DEFAULTS, **fields, "id": number, "created_at": now, "updated_at": now}
        self.projects[number] = row
        return self.project_view(row)

    def project_view(self, project: Row) -> Row:
        number = project["id"]
        tasks = self.tasks_of(number)
        annotations = [a for a in self.annotations.values() if a["project"] == number]
        kept = [a for a in annotations if not a["was_cancelled"]]
        return {
            **project,
            "task_number": len(tasks),
            "finished_task_number": sum(self.is_labeled(task) for task in tasks),
            "total_predictions_number": sum(p["project"] == number for p in self.predictions.values()),
            "total_annotations_number": len(kept),
            "num_tasks_with_annotations": len({a["task"] for a in kept}),
            "skipped_annotations_number": len(annotations) - len(kept),
            "ground_truth_number": sum(a["ground_truth"] for a in annotations),
        }

    def data_keys(self, project: Row) -> list[str]:
        tags = ElementTree.fromstring(project["label_config"]).iter()
        values = [tag.get("value", "") for tag in tags if tag.tag != "Choice"]
        return [value[1:] for value in values if value.startswith("$")]

    def choices(self, project: Row) -> dict[str, set[str]]:
        """Control name -> its choices."""
        root = ElementTree.fromstring(project["label_config"])
        return {
            tag.get("name", ""): {c.get("alias") or c.get("value", "") for c in tag.iter("Choice")}
            for tag in root.iter("Choices")
        }

    # tasks

    def add_task(self, project: int, data: Row, meta: Row | None = None) -> Row:
        number = self.number("task")
        now = self.now()
        row = {
            "id": number,
            "project": project,
            "data": data,
            "meta": meta or {},
            "created_at": now,
            "updated_at": now,
            "overlap": self.projects[project]["maximum_annotations"],
            "inner_id": len(self.tasks_of(project)) + 1,
            "updated_by": None,
            "file_upload": None,
            "comment_authors": [],
        }
        self.tasks[number] = row
        return row

    def tasks_of(self, project: int) -> list[Row]:
        return [task for task in self.tasks.values() if task["project"] == project]

    def annotations_of(self, task: int) -> list[Row]:
        return [a for a in self.annotations.values() if a["task"] == task]

    def predictions_of(self, task: int) -> list[Row]:
        return [p for p in self.predictions.values() if p["task"] == task]

    def is_labeled(self, task: Row) -> bool:
        done = [a for a in self.annotations_of(task["id"]) if not a["was_cancelled"]]
        return len(done) >= task["overlap"]

    def task_view(self, task: Row, *, nested: bool = True) -> Row:
        annotations = self.annotations_of(task["id"])
        predictions = self.predictions_of(task["id"])
        view = {
            **task,
            "is_labeled": self.is_labeled(task),
            "total_annotations": sum(not a["was_cancelled"] for a in annotations),
            "cancelled_annotations": sum(bool(a["was_cancelled"]) for a in annotations),
            "total_predictions": len(predictions),
            "predictions_model_versions": ",".join(sorted({p["model_version"] for p in predictions})),
        }
        if nested:
            view |= {"annotations": annotations, "predictions": predictions, "drafts": []}
        return view

    def delete_task(self, number: int) -> None:
        self.tasks.pop(number, None)
        for table in (self.annotations, self.predictions):
            for key in [key for key, row in table.items() if row["task"] == number]:
                del table[key]
        self.task_locks = {key: task for key, task in self.task_locks.items() if task != number}

    # annotations

    def add_annotation(self, task: Row, body: Row, user: int | None) -> Row:
        number = self.number("annotation")
        now = self.now()
        row = {
            "id": number,
            "task": task["id"],
            "project": task["project"],
            "result": body.get("result") or [],
            "was_cancelled": bool(body.get("was_cancelled")),
            "ground_truth": bool(body.get("ground_truth")),
            "lead_time": body.get("lead_time"),
            "parent_prediction": body.get("parent_prediction"),
            "completed_by": user,
            "updated_by": user,
            "unique_id": str(uuid.UUID(int=self.random.getrandbits(128))),
            "created_at": now,
            "updated_at": now,
        }
        self.annotations[number] = row
        task["updated_at"] = self.now()
        self.task_locks = {key: held for key, held in self.task_locks.items() if held != task["id"] or key[1] != user}
        return row

    def touch(self, row: Row) -> None:
        row["updated_at"] = self.now()

    # predictions

    def add_prediction(self, task: int, item: Row) -> Row:
        number = self.number("prediction")
        now = self.now()
        row = {
            "id": number,
            "task": task,
            "project": self.tasks[task]["project"],
            "result": item.get("result"),
            "score": item.get("score"),
            "model_version": item.get("model_version") or "undefined",
            "created_at": now,
            "updated_at": now,
        }
        self.predictions[number] = row
        return row

    def valid_prediction(self, project: Row, item: Row) -> bool:
        """What bulk import keeps; the rest it drops without a word."""
        score, result = item.get("score"), item.get("result")
        if item.get("task") in self.dropped_tasks or not isinstance(result, list):
            return False
        if score is not None and not (isinstance(score, (int, float)) and 0 <= score <= 1):
            return False
        if "Labels" in project["label_config"]:
            return bool(_interface(project["label_config"]).validate_prediction(item))
        controls = self.choices(project)
        for region in result:
            chosen = region.get("value", {}).get("choices", [])
            if region.get("from_name") not in controls or not set(chosen) <= controls[region["from_name"]]:
                return False
        return True

    def versions(self, project: int) -> list[Row]:
        counts: dict[str, Row] = {}
        for row in self.predictions.values():
            if row["project"] == project:
                entry = counts.setdefault(row["model_version"], {"model_version": row["model_version"], "count": 0})
                entry["count"] += 1
                entry["latest"] = row["created_at"]
        return list(counts.values())

    # label stream

    def next_task(self, project: Row, user: int) -> tuple[Row, str] | None:
        """The task a user is given, and the name of the queue."""
        held = self.task_locks.get((project["id"], user))
        open_tasks = [task for task in self.tasks_of(project["id"]) if self._open_for(task, user)]
        for task in open_tasks:
            if task["id"] == held:
                return task, "Task lock"
        free = [task for task in open_tasks if self._room(task, user)]
        if not free:
            return None
        task, queue = self._sample(project, free)
        self.task_locks[(project["id"], user)] = task["id"]
        return task, queue

    def _open_for(self, task: Row, user: int) -> bool:
        return not self.is_labeled(task) and all(a["completed_by"] != user for a in self.annotations_of(task["id"]))

    def _room(self, task: Row, user: int) -> bool:
        locks = sum(held == task["id"] and key[1] != user for key, held in self.task_locks.items())
        done = sum(not a["was_cancelled"] for a in self.annotations_of(task["id"]))
        return bool(locks + done < task["overlap"])

    def _sample(self, project: Row, free: list[Row]) -> tuple[Row, str]:
        if project["sampling"] == "Uncertainty sampling":
            scores = {
                p["task"]: p["score"]
                for p in self.predictions.values()
                if p["model_version"] == project["model_version"] and p["project"] == project["id"]
            }
            scored = [task for task in free if task["id"] in scores]
            if scored and project["model_version"]:
                return min(scored, key=lambda task: scores[task["id"]]), "Active learning or random queue"
            return self.random.choice(free), "Active learning or random queue"
        if project["sampling"] == "Uniform sampling":
            return self.random.choice(free), "Random queue"
        return free[0], "Sequence queue"
