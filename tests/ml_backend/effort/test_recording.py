"""The loop writes effort down: from the annotations a worker sees, with the predictions that were pushed."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ml_backend.effort.record import record_effort
from ml_backend.effort.report import effort_report, summary
from ml_backend.label_studio.regions.ids import region_id
from ml_backend.loop.pulse import beat
from ml_backend.predictions.packing import Found, pack
from ml_backend.services import Services
from ml_backend.state.records import AnnotationRow, EffortRow, NewItem, RankingEntry
from tests.fakes.runs import open_run
from tests.fakes.world import NOW, Clock, open_services, settings_in
from training.types import Detections

CLASSES = (
    '<View><Image name="img" value="$image"/><Choices name="choice" toName="img" choice="single">'
    '<Choice value="Cat"/><Choice value="Dog"/></Choices></View>'
)
OBJECTS = (
    '<View><Image name="img" value="$image"/><RectangleLabels name="box" toName="img">'
    '<Label value="Cell"/><Label value="Nucleus"/></RectangleLabels></View>'
)


@pytest.fixture
def services(tmp_path: Path) -> Iterator[Services]:
    made = open_services(settings_in(tmp_path), clock=Clock(tick=0.0))
    yield made
    made.store.close()


def project(services: Services, config: str, tasks: int = 4) -> tuple[int, list[int]]:
    """A project whose run 1 ended, and whose order went into force, at `NOW`."""
    store = services.store
    store.projects.upsert(7, "Cells", config, NOW)
    items = store.items.add(7, [NewItem(f"/c/{n}.png", n, state="ready") for n in range(1, tasks + 1)], NOW)
    run = open_run(store, 7, now=NOW)
    names = ["Cat", "Dog"] if config == CLASSES else ["Cell", "Nucleus"]
    store.runs.update(run.id, state="done", finished_at=NOW, request={"classes": names})
    entries = [RankingEntry(item, place, place / 10, 0.0) for place, item in enumerate(items)]
    ranking = store.rankings.add(7, run.id, run.id, "v1", "entropy", {}, entries, NOW)
    store.rankings.activate(ranking, run.id)
    return run.id, items


def choice(label: str, name: str = "r", **fields: str) -> dict[str, Any]:
    return {
        "id": name,
        "from_name": "choice",
        "to_name": "img",
        "type": "choices",
        "value": {"choices": [label]},
        **fields,
    }


def rectangle(name: str, x: float, label: str = "Cell", **fields: str) -> dict[str, Any]:
    return {
        "id": name,
        "from_name": "box",
        "to_name": "img",
        "type": "rectanglelabels",
        "original_width": 100,
        "original_height": 100,
        "value": {"x": x, "y": 10, "width": 10, "height": 10, "rotation": 0, "rectanglelabels": [label]},
        **fields,
    }


def annotate(services: Services, task: int, result: list[dict[str, Any]], at: float = NOW + 60, **fields: Any) -> None:
    given = {"lead_time": 5.0, **fields}
    row = AnnotationRow(id=task, task_id=task, result=result, updated_at="2027-01-15T08:01:00.000000Z", **given)
    services.store.labels.upsert(7, [row], at)


def rows(services: Services) -> dict[int, EffortRow]:
    record_effort(services.store, 7)
    assert record_effort(services.store, 7) == 0
    return {row.annotation_id: row for row in services.store.effort.all(7)}


def test_classes_by_id_by_time_by_hand_and_from_elsewhere(services: Services) -> None:
    run, items = project(services, CLASSES)
    services.store.answers.save(run, items, np.array([[0.9, 0.1]] * 4, np.float32), ["Cat", "Dog"])
    annotate(services, 1, [choice("Cat", region_id(run, items[0]), origin="prediction")])
    annotate(services, 2, [choice("Dog", "script")], parent_prediction=77)
    annotate(services, 3, [choice("Cat", "early")], at=NOW - 60)
    annotate(services, 4, [choice("Cat", "seed-4")], lead_time=0.0)
    found = rows(services)
    assert [found[n].start for n in (1, 2, 3, 4)] == ["proposal", "proposal", "nothing", "elsewhere"]
    assert (found[1].run_id, found[1].accepted) == (run, 1)
    assert (found[2].run_id, found[2].relabeled) == (run, 1)
    assert (found[3].run_id, found[3].added, found[3].seconds) == (None, 1, 5.0)
    assert found[4].seconds is None
    assert "1 of 2 proposed classes" in summary(effort_report(services.store, 7))


def test_a_parent_before_the_first_model_proposed_nothing(services: Services) -> None:
    project(services, CLASSES)
    annotate(services, 1, [choice("Cat")], at=NOW - 60, parent_prediction=5)
    assert rows(services)[1].start == "nothing"


def test_objects_against_what_the_detector_showed(services: Services) -> None:
    run, items = project(services, OBJECTS)
    probs = np.array([[[0.9, 0.05, 0.05], [0.1, 0.8, 0.1], [0.3, 0.2, 0.5]]], np.float32)
    boxes = np.array([[10, 10, 20, 20], [50, 10, 60, 20], [80, 10, 90, 20]], np.float32)
    content = pack(Found(Detections((100, 100), boxes, probs), ("Cell", "Nucleus")))
    services.store.detections.save(run, dict.fromkeys(items, content))
    kept = rectangle(region_id(run, items[0], 0), 10, origin="prediction")
    drawn = rectangle("new", 70, origin="manual")
    annotate(services, 1, [kept, drawn])
    annotate(services, 2, [], parent_prediction=9)
    annotate(services, 3, [rectangle("a", 10.1), rectangle("b", 52, "Nucleus")], parent_prediction=9)
    annotate(services, 4, [rectangle("foreign", 10, origin="prediction")])
    found = rows(services)
    # The third region scored 0.3, less than what is shown from.
    assert (found[1].accepted, found[1].added, found[1].deleted) == (1, 1, 1)
    assert (found[2].run_id, found[2].deleted) == (run, 2)
    assert (found[3].accepted, found[3].moved, found[3].deleted) == (1, 1, 0)
    assert (found[4].run_id, found[4].accepted, found[4].deleted) == (None, 1, None)


def test_answers_that_are_gone_or_damaged_leave_deletions_unknown(services: Services) -> None:
    run, items = project(services, OBJECTS)
    services.store.detections.save(run, {items[1]: b"damaged"})
    annotate(services, 1, [rectangle(region_id(run, items[0], 0), 10, origin="prediction-changed")])
    annotate(services, 2, [rectangle(region_id(run, items[1], 0), 10, origin="prediction")])
    found = rows(services)
    assert (found[1].run_id, found[1].moved, found[1].deleted) == (run, 1, None)
    assert (found[2].accepted, found[2].deleted) == (1, None)


def test_the_worker_writes_it_down_when_a_webhook_comes(services: Services) -> None:
    run, items = project(services, CLASSES)
    services.store.answers.save(run, items, np.array([[0.9, 0.1]] * 4, np.float32), ["Cat", "Dog"])
    annotation = {
        "id": 5,
        "task": 1,
        "result": [choice("Cat", region_id(run, items[0]), origin="prediction")],
        "lead_time": 3.0,
        "updated_at": "2026-11-21T09:00:00.000000Z",
    }
    body = {"action": "ANNOTATION_CREATED", "annotation": annotation, "project": {"id": 7}}
    services.store.events.add(7, "ANNOTATION_CREATED", body, NOW)
    services.store.events.add(8, "ANNOTATION_CREATED", body, NOW)
    beat(services)
    assert [row.accepted for row in services.store.effort.all(7)] == [1]


def test_a_config_that_nobody_can_read_is_passed_over(services: Services) -> None:
    services.store.projects.upsert(7, "Cells", "<View/>", NOW)
    annotate(services, 1, [choice("Cat")])
    assert record_effort(services.store, 7) == 0
    assert effort_report(services.store, 7).kind == ""
