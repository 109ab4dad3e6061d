"""The classes of a running project are reordered in Label Studio and one is added; no proposal changes its class."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import httpx
import pytest

from ml_backend.experiments.simulate.expert import Expert, Manner
from ml_backend.experiments.simulate.oracle import project_oracle
from ml_backend.experiments.simulate.watching import watch_on
from ml_backend.intake.ingest import ingest
from ml_backend.intake.projects import attach, ensure_project, label_config
from ml_backend.operations.demo.cells import CLASSES, write_cells
from ml_backend.ordering.strategy_choice import change_settings
from tests.e2e.conftest import PATIENCE, RealStack, run_to_end, silent, wait_for

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(2400)]

CELLS, LABELS = 40, 20


def said_by_the_model(stack: RealStack, project: int, names: list[str]) -> dict[int, list[str]]:
    """Task -> the class that the stored answers of the serving model give, where it can still be chosen."""
    store = stack.services.store
    active = store.projects.one(project).active_run_id
    assert active is not None
    stored = store.answers.of(active)
    items = {item.id: item.task_id for item in store.items.all(project)}
    found = {}
    for item, row in zip(stored.ids.tolist(), stored.probs, strict=True):
        name = stored.classes[int(row.argmax())]
        found[int(items[item] or 0)] = [name] if name in names else []
    return found


def classes_in(prediction: dict[str, Any]) -> list[str]:
    return [name for region in prediction["result"] for name in region["value"]["choices"]]


def test_a_class_is_never_swapped(real_stack: RealStack, tmp_path: Path) -> None:
    services, studio = real_stack.services, real_stack.label_studio
    write_cells(tmp_path / "cells", lambda fraction, message: None, count=CELLS)
    project = ensure_project(services.label_studio, services.files, "class names", "End to end: class names", CLASSES)
    attach(services.store, services.label_studio, services.settings, project, services.clock())
    change_settings(services.store.projects, project, {"auto_train": False})
    ingest(services, project, tmp_path / "cells", stage=silent)
    run_to_end(real_stack, project, "rank")
    expert = Expert(services.label_studio, project, project_oracle(services.store.items, project), Manner())
    assert expert.label(LABELS, lambda _: None) == LABELS
    watch_on(services, PATIENCE).wait_for_labels(project, LABELS)
    run_to_end(real_stack, project, "train")

    # Label Studio refuses to take away a class that somebody used, so one is added in front and the rest turned round.
    names = ["aaa", *reversed(CLASSES)]
    studio.update_project(project, label_config=label_config(names))
    wait_for(lambda: "aaa" in services.store.projects.one(project).label_config, "the new classes")
    real_stack.settled(project)
    right = said_by_the_model(real_stack, project, names)
    settings = services.settings
    login = (settings.basic_auth_user, settings.basic_auth_password.get_secret_value())
    tasks = [studio.task(task) for task in sorted(right)]
    body = {"tasks": tasks, "project": f"{project}.1", "label_config": label_config(names)}
    answer = httpx.post(f"{settings.resolved_public_url}/predict", json=body, auth=login, timeout=120)
    assert answer.is_success, answer.text
    answered = zip(tasks, answer.json()["results"], strict=True)
    assert {int(task["id"]): classes_in(result) for task, result in answered} == right

    run_to_end(real_stack, project, "rank")
    version = services.store.projects.one(project).active_version
    shown = {
        int(task["id"]): classes_in(prediction)
        for task in (studio.task(number) for number in sorted(right))
        for prediction in task["predictions"]
        if prediction["model_version"] == version
    }
    assert len(shown) >= CELLS - LABELS
    right = said_by_the_model(real_stack, project, names)
    assert shown == {task: right[task] for task in shown}
