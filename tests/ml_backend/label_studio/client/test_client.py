"""The client against the fake: bulk calls, listings that change meanwhile, the label stream."""

from __future__ import annotations

import random

import pytest

from ml_backend.errors import BadRequest, LabelStudioUnavailable, NotFound
from ml_backend.label_studio.client import LabelStudio, UnknownTasks
from ml_backend.label_studio.client import tasks as listing
from tests.fakes.label_studio import CONFIG, FakeLabelStudio, choice


def _predictions(ids: list[int], version: str, result: list | None = None) -> list[dict]:
    return [
        {"task": task, "score": place / len(ids), "model_version": version, "result": result or []}
        for place, task in enumerate(ids)
    ]


def test_projects_over_several_pages(fake: FakeLabelStudio, client: LabelStudio) -> None:
    made = [fake.add_project() for _ in range(205)]
    assert [project["id"] for project in client.projects()] == made


def test_a_project_is_made_changed_and_deleted(client: LabelStudio) -> None:
    number = client.create_project("Cells", CONFIG, sampling="Uncertainty sampling")["id"]
    assert client.update_project(number, description="new")["description"] == "new"
    assert client.project(number)["sampling"] == "Uncertainty sampling"
    client.delete_project(number)
    with pytest.raises(NotFound, match="No Project"):
        client.project(number)


def test_import_answers_ids_in_order_and_reports_progress(fake: FakeLabelStudio, client: LabelStudio) -> None:
    number = fake.add_project()
    told: list[float] = []
    tasks = [{"data": {"image": f"{i}.png"}} for i in range(25)]
    ids = client.import_tasks(number, tasks, lambda fraction, _: told.append(fraction), call_size=10)
    assert [fake.state.tasks[task]["data"]["image"] for task in ids] == [f"{i}.png" for i in range(25)]
    assert told == [0.4, 0.8, 1.0]
    assert client.task_ids(number) == set(ids)


def test_a_task_without_its_image_is_refused_with_the_reason(fake: FakeLabelStudio, client: LabelStudio) -> None:
    with pytest.raises(BadRequest, match="Error at item 0"):
        client.import_tasks(fake.add_project(), [{"data": {"other": "x"}}])


def test_an_imported_order_is_what_the_label_stream_hands_out(fake: FakeLabelStudio, client: LabelStudio) -> None:
    number = fake.add_project(tasks=30, sampling="Uncertainty sampling")
    order = sorted(client.task_ids(number))
    random.Random(3).shuffle(order)
    assert client.import_predictions(number, _predictions(order, "v1")) == 30
    client.set_model_version(number, "v1")
    seen = []
    while (task := client.next_task(number)) is not None:
        seen.append(task["id"])
        client.create_annotation(task["id"], choice("Cat"), 1.5)
    assert seen == order


def test_dropped_predictions_show_in_the_count(fake: FakeLabelStudio, client: LabelStudio) -> None:
    number = fake.add_project(tasks=3)
    ids = sorted(client.task_ids(number))
    assert client.import_predictions(number, _predictions(ids, "v1", choice("Horse"))) == 0
    fake.state.dropped_tasks = {ids[1]}
    assert client.import_predictions(number, _predictions(ids, "v2", choice("Cat"))) == 2
    assert client.prediction_task_ids(number, "v2") == {ids[0], ids[2]}


def test_unknown_tasks_are_named(fake: FakeLabelStudio, client: LabelStudio) -> None:
    number = fake.add_project(tasks=3)
    ids = sorted(client.task_ids(number))
    with pytest.raises(UnknownTasks, match="has no task 777, 888") as caught:
        client.import_predictions(number, _predictions([*ids, 888, 777], "v1"))
    assert caught.value.task_ids == (777, 888)
    assert client.model_versions(number) == {}


@pytest.mark.parametrize("score", [float("nan"), float("inf"), 1.01, -0.1, "0.5", None, True])
def test_a_score_that_label_studio_would_drop_is_named_before_sending(
    fake: FakeLabelStudio, client: LabelStudio, score: object
) -> None:
    number = fake.add_project(tasks=1)
    with pytest.raises(BadRequest, match="task 1 has the score"):
        client.import_predictions(number, [{"task": 1, "score": score, "model_version": "v", "result": []}])
    assert fake.count("POST", "import/predictions") == 0


def test_versions_are_counted_switched_and_deleted(fake: FakeLabelStudio, client: LabelStudio) -> None:
    number = fake.add_project(tasks=5)
    ids = sorted(client.task_ids(number))
    client.import_predictions(number, _predictions(ids, "v1"), call_size=2)
    client.import_predictions(number, _predictions(ids[:2], "v10"))
    assert client.model_versions(number) == {"v1": 5, "v10": 2}
    assert client.prediction_task_ids(number, "v1") == set(ids)
    assert client.prediction_task_ids(number, "v10") == set(ids[:2])
    client.set_model_version(number, "v1")
    with pytest.raises(BadRequest, match="doesn't exist"):
        client.set_model_version(number, "v2")
    assert client.delete_model_version(number, "v10") == 2
    assert client.delete_model_version(number, "v10") == 0
    assert client.model_versions(number) == {"v1": 5}


def test_changed_tasks_come_with_annotations_and_only_once(
    fake: FakeLabelStudio, client: LabelStudio, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listing, "LISTING_PAGE", 4)
    number = fake.add_project(tasks=10)
    rows = list(client.tasks_updated_since(number))
    assert [row["id"] for row in rows] == sorted(client.task_ids(number))
    since = rows[-1]["updated_at"]
    client.create_annotation(rows[3]["id"], choice("Dog"), 2.0)
    client.create_annotation(rows[5]["id"], [], was_cancelled=True)
    changed = list(client.tasks_updated_since(number, since))
    assert [row["id"] for row in changed] == [rows[3]["id"], rows[5]["id"]]
    annotation = changed[0]["annotations"][0]
    assert annotation["result"] == choice("Dog")
    assert (annotation["completed_by"], annotation["was_cancelled"], annotation["lead_time"]) == (1, False, 2.0)


def test_no_change_is_lost_while_tasks_change_under_the_listing(
    fake: FakeLabelStudio, client: LabelStudio, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listing, "LISTING_PAGE", 3)
    number = fake.add_project(tasks=20)
    touched = iter([1, 2, 1, 4])

    def disturb(_method: str, path: str) -> None:
        task = next(touched, None) if path.endswith("/api/tasks/") else None
        if task is not None:
            fake.state.add_annotation(fake.state.tasks[task], {"result": choice("Cat")}, 1)

    fake.faults.on_call = disturb
    seen: dict[int, int] = {}
    for row in client.tasks_updated_since(number):
        seen[row["id"]] = len(row["annotations"])
    assert seen == {task: {1: 2, 2: 1, 4: 1}.get(task, 0) for task in range(1, 21)}


def test_many_tasks_with_the_same_time_are_all_listed(
    fake: FakeLabelStudio, client: LabelStudio, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listing, "LISTING_PAGE", 3)
    number = fake.add_project(tasks=14)
    for task in range(2, 12):
        fake.state.tasks[task]["updated_at"] = "2026-11-21T09:44:30Z"
    for task in (12, 13, 14):
        fake.state.tasks[task]["updated_at"] = "2026-11-21T09:44:31.000001Z"
    fake.state.tasks[1]["updated_at"] = "2026-11-20T09:44:30.5Z"
    assert [row["id"] for row in client.tasks_updated_since(number)] == list(range(1, 15))


def test_ids_and_annotations_are_found_for_diffing(
    fake: FakeLabelStudio, client: LabelStudio, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listing, "ID_PAGE", 3)
    number = fake.add_project(tasks=8)
    other = fake.add_project(tasks=2)
    first = client.create_annotation(1, choice("Cat"))["id"]
    skip = client.create_annotation(1, [], was_cancelled=True)["id"]
    second = client.create_annotation(5, choice("Dog"))["id"]
    assert client.annotation_ids(number) == {1: {first, skip}, 5: {second}}
    assert client.annotation_ids(other) == {}
    client.delete_annotation(first)
    client.delete_tasks(number, [5, 6])
    assert client.annotation_ids(number) == {1: {skip}}
    assert client.task_ids(number) == {1, 2, 3, 4, 7, 8}
    assert [row["id"] for row in client.tasks_by_ids(number, [7, 5, 1, 99, 9])] == [1, 7]


def test_the_stream_ends_with_none_and_a_missing_project_is_an_error(
    fake: FakeLabelStudio, client: LabelStudio
) -> None:
    assert client.next_task(fake.add_project()) is None
    with pytest.raises(NotFound, match="No Project"):
        client.next_task(99)


def test_a_locked_task_stays_after_the_order_was_renewed(fake: FakeLabelStudio, client: LabelStudio) -> None:
    number = fake.add_project(tasks=4, sampling="Uncertainty sampling")
    client.import_predictions(number, _predictions([3, 1, 2, 4], "v1"))
    client.set_model_version(number, "v1")
    second = fake.add_user("f" * 40)
    assert client.next_task(number)["id"] == 3
    assert second.next_task(number)["id"] == 1
    client.import_predictions(number, _predictions([4, 2, 1, 3], "v2"))
    client.set_model_version(number, "v2")
    assert client.next_task(number)["id"] == 3
    client.create_annotation(3, choice("Cat"))
    assert client.next_task(number)["id"] == 4


def test_annotations_are_changed_and_listed(fake: FakeLabelStudio, client: LabelStudio) -> None:
    fake.add_project(tasks=1)
    number = client.create_annotation(1, choice("Cat"))["id"]
    client.update_annotation(number, result=choice("Dog"))
    assert [row["result"] for row in client.task_annotations(1)] == [choice("Dog")]
    assert client.task(1)["annotations"][0]["id"] == number


@pytest.mark.parametrize("body", ['{"tasks": [{"x": 1}]}', '{"tasks": null}', "[]", '{"tasks": [{"id": 1}]}'])
def test_a_listing_that_is_not_one_is_no_empty_listing(fake: FakeLabelStudio, client: LabelStudio, body: str) -> None:
    number = fake.add_project(tasks=2)
    fake.fail_next(1, 200, body=body, match="/api/tasks/")
    with pytest.raises(LabelStudioUnavailable):
        list(client.tasks_updated_since(number))


def test_predictions_with_many_regions_go_out_in_more_calls(
    fake: FakeLabelStudio, client: LabelStudio, monkeypatch: pytest.MonkeyPatch
) -> None:
    from ml_backend.label_studio.client import predictions

    number = fake.add_project(tasks=5)
    ids = sorted(client.task_ids(number))
    region = choice("Cat")[0]
    body = [{**one, "result": [region] * 3} for one in _predictions(ids, "v1")]
    monkeypatch.setattr(predictions, "CALL_REGIONS", 6)
    before = fake.count("POST", "import/predictions")
    assert client.import_predictions(number, body) == 5
    assert fake.count("POST", "import/predictions") - before == 3
