"""The bulk side of the fake Label Studio: imports, model versions, data manager actions."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, jsonify, request

from tests.fakes.label_studio import FakeLabelStudio
from tests.fakes.label_studio_answers import invalid, missing
from tests.fakes.label_studio_state import Row


def bulk_routes(fake: FakeLabelStudio) -> Blueprint:
    bulk = Blueprint("bulk", __name__)
    state = fake.state

    def project(number: int) -> Row:
        row = state.projects.get(number)
        if row is None:
            raise missing("Project")
        return row

    @bulk.post("/api/projects/<int:number>/import")
    def import_tasks(number: int) -> Any:
        body = request.get_json()
        with state.lock:
            keys = state.data_keys(project(number))
            for index, item in enumerate(body):
                for key in keys:
                    if key not in item.get("data", {}):
                        raise invalid([f'Error at item {index}: "{key}" key is expected in task data'])
            made = []
            for item in body:
                task = state.add_task(number, item["data"], item.get("meta"))
                made.append(task)
                for annotation in item.get("annotations", []):
                    state.add_annotation(task, {"ground_truth": True, **annotation}, annotation.get("completed_by", 1))
            views = [state.task_view(task, nested=False) for task in made]
        if views:
            fake.emit(number, "TASKS_CREATED", tasks=views)
        answer: Row = {"task_count": len(made), "annotation_count": 0, "prediction_count": 0}
        if request.args.get("return_task_ids") == "true":
            answer["task_ids"] = [task["id"] for task in made]
        return jsonify(answer), 201

    @bulk.post("/api/projects/<int:number>/import/predictions")
    def import_predictions(number: int) -> Any:
        body = request.get_json()
        with state.lock:
            row = project(number)
            for item in body:
                if state.tasks.get(item.get("task"), {}).get("project") != number:
                    raise invalid(
                        [f'{item} contains invalid "task" field: corresponding task ID couldn\'t be retrieved']
                    )
            kept = [state.add_prediction(item["task"], item) for item in body if state.valid_prediction(row, item)]
        return jsonify(created=len(kept)), 201

    @bulk.route("/api/projects/<int:number>/model-versions/", methods=["GET", "DELETE"])
    def model_versions(number: int) -> Any:
        with state.lock:
            row = project(number)
            if request.method == "GET":
                rows = state.versions(number)
                if request.args.get("extended") == "true":
                    return jsonify(static=rows, live=None)
                return jsonify({entry["model_version"]: entry["count"] for entry in rows})
            version = request.get_json()["model_version"]
            gone = [k for k, p in state.predictions.items() if (p["project"], p["model_version"]) == (number, version)]
            for key in gone:
                del state.predictions[key]
            if row["model_version"] == version:
                row["model_version"] = None
        return jsonify(deleted_predictions=len(gone))

    @bulk.get("/api/predictions/")
    def predictions() -> Any:
        number = int(request.args["project"])
        with state.lock:
            return jsonify([row for row in state.predictions.values() if row["project"] == number])

    @bulk.post("/api/dm/actions")
    def action() -> Any:
        number, name = int(request.args["project"]), request.args["id"]
        with state.lock:
            project(number)
            included = request.get_json()["selectedItems"].get("included", [])
            chosen = [key for key in included if state.tasks.get(key, {}).get("project") == number]
            if name == "delete_tasks":
                for key in chosen:
                    state.delete_task(key)
            elif name == "delete_tasks_annotations":
                gone = [key for key, row in state.annotations.items() if row["task"] in chosen]
                for key in gone:
                    state.touch(state.tasks[state.annotations.pop(key)["task"]])
            elif name == "predictions_to_annotations":
                rows, views = _from_predictions(chosen)
        if name == "delete_tasks":
            fake.emit(number, "TASKS_DELETED", tasks=[{"id": key} for key in chosen])
        elif name == "delete_tasks_annotations":
            fake.emit(number, "ANNOTATIONS_DELETED", annotations=[{"id": key} for key in gone])
        elif name == "predictions_to_annotations":
            fake.emit(number, "ANNOTATIONS_CREATED", annotation=rows, task=views)
        return jsonify(processed_items=len(chosen), detail="done")

    def _from_predictions(chosen: list[int]) -> tuple[list[Row], list[Row]]:
        rows = []
        for key in chosen:
            for prediction in state.predictions_of(key):
                body = {"result": prediction["result"], "parent_prediction": prediction["id"]}
                rows.append(dict(state.add_annotation(state.tasks[key], body, 1)))
        return rows, [state.task_view(state.tasks[row["task"]], nested=False) for row in rows]

    return bulk
