"""What Label Studio was seen to do, as one scenario: run on the real one it records, run on the fake it must agree.

`observe(client)` makes a project of its own, deletes it, and answers facts without ids and times. `RECORDED` is the
answer of Label Studio Community 1.23.2 on SQLite. The end-to-end tests run the scenario on the real one.
"""

from __future__ import annotations

from typing import Any

from ml_backend.errors import PapLoopError
from ml_backend.label_studio.client import LabelStudio
from tests.fakes.label_studio import CONFIG, choice

RECORDED: dict[str, Any] = {
    "ids ascend": True,
    "all ids": True,
    "created: good": 1,
    "created: empty result": 1,
    "created: no result": 0,
    "created: unknown label": 0,
    "created: unknown control": 0,
    "created: score above one": 0,
    "created: score zero": 1,
    "import moves updated_at": False,
    "versions": {"raw": 3},
    "unknown task": "UnknownTasks",
    "versions after a refused call": {"raw": 3},
    "switch to a version without predictions": "BadRequest",
    "version of a new project": "",
    "deleted": 3,
    "version after deleting the current one": None,
    "first": True,
    "shown versions": ["v1"],
    "shown result": [],
    "a locked task stays": True,
    "order": True,
    "tasks with v1": 8,
    "tasks with v": 0,
    "task_number": 8,
    "finished_task_number": 7,
    "total_annotations_number": 7,
    "skipped_annotations_number": 1,
    "annotations by task": [1, 1, 1, 1, 1, 1, 1, 1],
    "updating an annotation moves updated_at": True,
    "changed": True,
    "deleting an annotation moves updated_at": True,
    "a task without annotation is open again": True,
    "listed": 8,
    "annotation fields": [
        "completed_by",
        "ground_truth",
        "id",
        "lead_time",
        "result",
        "task",
        "updated_at",
        "was_cancelled",
    ],
    "completed_by is a number": True,
    "result": [{"from_name": "choice", "to_name": "img", "type": "choices", "value": {"choices": ["Dog"]}}],
    "skips": [0, 0, 0, 0, 0, 0, 0, 1],
    "labelled": [False, True, True, True, True, True, True, False],
    "missing data": "BadRequest",
    "short title": "BadRequest",
    "left": 6,
    "annotations left": [1, 1, 1, 1, 1, 1],
    "a deleted task": "NotFound",
    "a project that is not there": "NotFound",
    "next of a project that is not there": "NotFound",
}


def observe(client: LabelStudio) -> dict[str, Any]:
    """Run the scenario; facts by name."""
    number = int(client.create_project("Behaviour of Label Studio", CONFIG, sampling="Uncertainty sampling")["id"])
    try:
        ids = client.import_tasks(number, [{"data": {"image": f"http://images.test/{i}.png"}} for i in range(8)])
        facts: dict[str, Any] = {"ids ascend": ids == sorted(ids), "all ids": client.task_ids(number) == set(ids)}
        for part in (_predictions, _stream, _annotations, _listing, _deletions):
            facts |= part(client, number, ids)
        return facts
    finally:
        client.delete_project(number)


def _error(call: Any) -> str:
    try:
        call()
    except PapLoopError as error:
        return type(error).__name__
    return "none"


def _raw(client: LabelStudio, number: int, item: dict[str, Any]) -> Any:
    return client._object("POST", f"api/projects/{number}/import/predictions", json=[item]).get("created")


def _stamps(client: LabelStudio, number: int) -> dict[int, str]:
    return {row["id"]: row["updated_at"] for row in client.tasks_updated_since(number)}


def _predictions(client: LabelStudio, number: int, ids: list[int]) -> dict[str, Any]:
    good = {"task": ids[0], "score": 0.5, "model_version": "raw", "result": choice("Cat")}
    before = _stamps(client, number)
    facts = {
        "created: good": _raw(client, number, good),
        "created: empty result": _raw(client, number, {**good, "result": []}),
        "created: no result": _raw(client, number, {k: v for k, v in good.items() if k != "result"}),
        "created: unknown label": _raw(client, number, {**good, "result": choice("Horse")}),
        "created: unknown control": _raw(client, number, {**good, "result": choice("Cat", control="other")}),
        "created: score above one": _raw(client, number, {**good, "score": 1.1}),
        "created: score zero": _raw(client, number, {**good, "score": 0}),
        "import moves updated_at": _stamps(client, number) != before,
        "versions": client.model_versions(number),
        "unknown task": _error(lambda: client.import_predictions(number, [good, {**good, "task": 2**31 - 1}])),
        "versions after a refused call": client.model_versions(number),
        "switch to a version without predictions": _error(lambda: client.set_model_version(number, "none such")),
        "version of a new project": client.project(number)["model_version"],
    }
    client.set_model_version(number, "raw")
    facts["deleted"] = client.delete_model_version(number, "raw")
    facts["version after deleting the current one"] = client.project(number)["model_version"]
    return facts


def _stream(client: LabelStudio, number: int, ids: list[int]) -> dict[str, Any]:
    order = [ids[place] for place in (5, 2, 7, 0, 1, 3, 6, 4)]
    for version, wanted in (("v1", order), ("v10", order[::-1])):
        client.import_predictions(
            number,
            [
                {"task": task, "score": place / 8, "model_version": version, "result": []}
                for place, task in enumerate(wanted)
            ],
        )
    client.set_model_version(number, "v1")
    first = client.next_task(number) or {}
    facts = {
        "first": first["id"] == order[0],
        "shown versions": sorted({p["model_version"] for p in first["predictions"]}),
        "shown result": first["predictions"][0]["result"],
    }
    client.set_model_version(number, "v10")
    facts["a locked task stays"] = (client.next_task(number) or {})["id"] == order[0]
    client.set_model_version(number, "v1")
    handed = []
    while (task := client.next_task(number)) is not None and len(handed) < 20:
        handed.append(task["id"])
        client.create_annotation(task["id"], [] if len(handed) == 3 else choice("Dog"), 1.0, len(handed) == 3)
    facts["order"] = handed == order
    facts["tasks with v1"] = len(client.prediction_task_ids(number, "v1"))
    facts["tasks with v"] = len(client.prediction_task_ids(number, "v"))
    return facts


def _annotations(client: LabelStudio, number: int, ids: list[int]) -> dict[str, Any]:
    project = client.project(number)
    counters = ("task_number", "finished_task_number", "total_annotations_number", "skipped_annotations_number")
    facts: dict[str, Any] = {name: project[name] for name in counters}
    held = client.annotation_ids(number)
    facts["annotations by task"] = sorted(len(found) for found in held.values())
    annotation = next(iter(held[ids[0]]))
    before = _stamps(client, number)
    client.update_annotation(annotation, result=choice("Cat"))
    after = _stamps(client, number)
    facts["updating an annotation moves updated_at"] = [k for k in after if after[k] != before[k]] == [ids[0]]
    facts["changed"] = client.task_annotations(ids[0])[0]["result"] == choice("Cat")
    client.delete_annotation(annotation)
    later = _stamps(client, number)
    facts["deleting an annotation moves updated_at"] = [k for k in after if after[k] != later[k]] == [ids[0]]
    facts["a task without annotation is open again"] = (client.next_task(number) or {}).get("id") == ids[0]
    return facts


def _listing(client: LabelStudio, number: int, ids: list[int]) -> dict[str, Any]:
    rows = {row["id"]: row for row in client.tasks_by_ids(number, ids)}
    labelled = rows[ids[1]]["annotations"][0]
    return {
        "listed": len(rows),
        "annotation fields": sorted(
            {"id", "result", "completed_by", "was_cancelled", "ground_truth", "lead_time", "task", "updated_at"}
            & labelled.keys()
        ),
        "completed_by is a number": isinstance(labelled["completed_by"], int),
        "result": [
            {key: region[key] for key in ("from_name", "to_name", "type", "value")} for region in labelled["result"]
        ],
        "skips": [rows[task]["cancelled_annotations"] for task in ids],
        "labelled": [rows[task]["is_labeled"] for task in ids],
        "missing data": _error(lambda: client.import_tasks(number, [{"data": {"other": 1}}])),
        "short title": _error(lambda: client.update_project(number, title="ab")),
    }


def _deletions(client: LabelStudio, number: int, ids: list[int]) -> dict[str, Any]:
    client.delete_tasks(number, ids[:2])
    return {
        "left": len(client.task_ids(number)),
        "annotations left": sorted(len(found) for found in client.annotation_ids(number).values()),
        "a deleted task": _error(lambda: client.task(ids[0])),
        "a project that is not there": _error(lambda: client.project(2**31 - 1)),
        "next of a project that is not there": _error(lambda: client.next_task(2**31 - 1)),
    }
