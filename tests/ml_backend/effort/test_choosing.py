"""Thresholds of a project: chosen when a detector is judged, renewed when costs change, overridden by its lead."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from ml_backend.effort.choosing import EVIDENCE, judge_thresholds, renew_thresholds
from ml_backend.errors import BadRequest
from ml_backend.ordering.strategy_choice import change_settings
from ml_backend.predictions.thresholds import METRIC, limits_of, thresholds_of
from ml_backend.services import Services
from tests.ml_backend.effort.test_recording import CLASSES, OBJECTS, project
from tests.ml_backend.effort.test_recording import services as services
from training.data.detection_set import LabelledImage
from training.types import Detections

NAMES = ("Cell", "Nucleus")


def seen(cells: int, nuclei: int) -> tuple[Detections, LabelledImage]:
    """Cells are found down to 0.35 and never lower, nuclei only from 0.65 on; each class has as many wrong regions."""
    rows = []
    for label, count, low in ((0, cells, 0.35), (1, nuclei, 0.65)):
        right = np.linspace(0.95, low, count)
        wrong = np.linspace(low - 0.04, 0.1, count)
        rows += [(label, score, True) for score in right] + [(label, score, False) for score in wrong]
    boxes = np.array([[n * 20, 0, n * 20 + 15, 15] for n in range(len(rows))], np.float32)
    probs = np.zeros((1, len(rows), 3), np.float32)
    for index, (label, score, _) in enumerate(rows):
        probs[0, index, label], probs[0, index, 2] = score, 1 - score
    size = (20, 20 * len(rows) + 20)
    real = [index for index, row in enumerate(rows) if row[2]]
    labels = np.array([rows[index][0] for index in real], np.int64)
    return Detections(size, boxes, probs), LabelledImage(Path("a"), "a", size, boxes[real], labels)


def judged(services: Services, cells: int = 30, nuclei: int = 25) -> int:
    run, _ = project(services, OBJECTS)
    services.files.make(services.files.run_dir(run))
    found, truth = seen(cells, nuclei)
    metric = judge_thresholds(
        services.store.projects, services.files, services.store.runs.one(run), [found], [truth], NAMES
    )
    services.store.runs.update(run, metrics={"judgement": {"items": 3}, METRIC: metric.as_dict()})
    return run


def test_chosen_shown_and_explained(services: Services) -> None:
    run = judged(services)
    limits = thresholds_of(services.store, 7)
    assert isinstance(limits, dict)
    assert 0.31 < limits["Cell"] <= 0.351
    assert 0.61 < limits["Nucleus"] <= 0.651
    told = limits_of(services.store, 7)
    assert (told.run, [limit.basis for limit in told.classes], told.classes[0].objects) == (run, ["own", "own"], 30)
    assert "leave 0 corrections" in told.why
    assert told.numbers["with_default"]["corrections"] > 0
    assert told.as_dict()["classes"][0]["name"] == "Cell"


def test_a_lead_overrides_one_class_or_all(services: Services) -> None:
    judged(services)
    change_settings(services.store.projects, 7, {"shown_from_class": {"Cell": 0.9}})
    limits = limits_of(services.store, 7)
    assert (limits.classes[0].shown_from, limits.classes[0].basis) == (0.9, "set")
    assert limits.classes[1].basis == "own"
    assert limits.why.endswith("Set by hand: Cell.")
    change_settings(services.store.projects, 7, {"choose_shown_from": False, "shown_from_class": {}, "shown_from": 0.4})
    assert thresholds_of(services.store, 7) == 0.4
    assert "as set in the project's settings" in limits_of(services.store, 7).why
    with pytest.raises(BadRequest, match="shown_from_class"):
        change_settings(services.store.projects, 7, {"shown_from_class": {"Cell": 1.5}})


def test_changed_costs_choose_again(services: Services) -> None:
    run = judged(services)
    assert not renew_thresholds(services.store, services.files, 7, run)
    change_settings(services.store.projects, 7, {"cost_delete": 50.0})
    assert renew_thresholds(services.store, services.files, 7, run)
    assert limits_of(services.store, 7).numbers["costs"]["delete"] == 50.0
    assert services.store.runs.one(run).metrics.judgement == {"items": 3}
    assert not renew_thresholds(services.store, services.files, 7, run)


def test_what_the_choice_rests_on_may_be_gone(services: Services, caplog: pytest.LogCaptureFixture) -> None:
    run = judged(services)
    before = thresholds_of(services.store, 7)
    (services.files.run_dir(run) / EVIDENCE).write_text("{")
    change_settings(services.store.projects, 7, {"cost_add": 9.0})
    assert not renew_thresholds(services.store, services.files, 7, run)
    assert thresholds_of(services.store, 7) == before
    assert "stay the same" in caplog.text


def test_few_objects_leave_the_usual_threshold(services: Services) -> None:
    judged(services, cells=4, nuclei=3)
    assert thresholds_of(services.store, 7) == 0.5
    assert "too few to choose a better threshold" in limits_of(services.store, 7).why


def test_before_the_first_detector(services: Services) -> None:
    services.store.projects.upsert(7, "Cells", OBJECTS, 0.0)
    assert thresholds_of(services.store, 7) == 0.5
    assert "until a detector has been judged" in limits_of(services.store, 7).why
    assert not limits_of(services.store, 7, run_id=99).numbers


def test_a_run_without_a_choice_has_nothing_to_renew(services: Services) -> None:
    run, _ = project(services, CLASSES)
    assert not renew_thresholds(services.store, services.files, 7, run)
