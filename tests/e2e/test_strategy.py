"""A lead changes the strategy of a running project and sees what comes of it, in Label Studio and on the dashboard."""

from __future__ import annotations

from pathlib import Path

import httpx
import pytest
from playwright.sync_api import Browser

from ml_backend.experiments.simulate.expert import Expert, Manner
from ml_backend.experiments.simulate.oracle import project_oracle
from ml_backend.experiments.simulate.watching import watch_on
from ml_backend.intake.ingest import ingest
from ml_backend.intake.projects import attach, ensure_project
from ml_backend.label_studio.regions.choices import label_of
from ml_backend.operations.demo.cells import CLASSES, write_cells
from ml_backend.ordering.strategy_choice import change_settings
from tests.e2e.browser import Dashboard, Editor, keep
from tests.e2e.conftest import PATIENCE, RealStack, ranked_tasks, run_to_end, silent, wait_for

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(2400)]

CELLS = 60
LABELS = 20


class Project:
    """A project of generated cells with a first model."""

    def __init__(self, stack: RealStack, folder: Path) -> None:
        self.stack, self.services = stack, stack.services
        write_cells(folder, lambda fraction, message: None, count=CELLS)
        self.id = ensure_project(
            self.services.label_studio, self.services.files, "strategies", "End to end: strategies", CLASSES
        )
        attach(self.services.store, self.services.label_studio, self.services.settings, self.id, self.services.clock())
        change_settings(self.services.store.projects, self.id, {"auto_train": False, "strategy": "uniform"})
        ingest(self.services, self.id, folder, stage=silent)
        run_to_end(stack, self.id, "rank")
        self.expert = Expert(
            self.services.label_studio, self.id, project_oracle(self.services.store.items, self.id), Manner()
        )
        self.label(LABELS)
        run_to_end(stack, self.id, "train")

    def label(self, count: int) -> list[int]:
        """Label what Label Studio hands out; answers the tasks."""
        known = len(self.services.store.labels.ids(self.id))
        start = len(self.expert.tally.tasks)
        assert self.expert.label(count, lambda _: None) == count
        watch_on(self.services, PATIENCE).wait_for_labels(self.id, known + count)
        return self.expert.tally.tasks[start:]

    def order(self) -> tuple[str, list[int]]:
        """The strategy of the active ranking and the tasks as it orders them."""
        ranking = self.services.store.rankings.active(self.id)
        assert ranking is not None
        return ranking.strategy, ranked_tasks(self.stack, self.id, CELLS)

    def call(self, method: str, path: str, **body: object) -> httpx.Response:
        settings = self.services.settings
        login = (settings.basic_auth_user, settings.basic_auth_password.get_secret_value())
        address = f"{settings.resolved_public_url}/api/projects/{self.id}/{path}"
        answer = httpx.request(method, address, json=body or None, auth=login, timeout=60)
        assert answer.is_success, answer.text
        return answer


@pytest.fixture(scope="module")
def project(real_stack: RealStack, tmp_path_factory: pytest.TempPathFactory) -> Project:
    return Project(real_stack, tmp_path_factory.mktemp("strategies") / "cells")


def test_by_the_api(project: Project) -> None:
    _, before = project.order()
    project.call("PATCH", "settings", strategy="core_set")
    project.call("POST", "rank")
    project.stack.settled(project.id)

    strategy, after = project.order()
    assert strategy == "core_set"
    assert sorted(after) == sorted(before)
    assert after[:5] != before[:5]
    assert project.label(2) == after[:2]


def test_by_the_dashboard_with_the_reason_and_the_labeling_screen(
    project: Project, browser: Browser, editor: Editor
) -> None:
    _, before = project.order()
    dashboard = Dashboard.open(browser, project.services.settings, project.id)
    dashboard.choose_strategy("entropy")
    dashboard.press("Rank again", "rank")
    wait_for(lambda: project.order()[0] == "entropy", "the order of the new strategy")
    project.stack.settled(project.id)
    _, after = project.order()
    assert after[:5] != before[:5]

    dashboard.shows(lambda page: page.locator("#next h2", has_text="ordered by entropy"))
    reasons = dashboard.reasons()
    told = [item["why"] for item in project.call("GET", "next").json()["items"]]
    assert reasons == told[: len(reasons)]
    assert any(reason.startswith("uncertain between ") for reason in reasons), reasons
    keep(dashboard.page, "strategy-dashboard")

    first = editor.label_all_tasks(project.id)
    assert first == after[0]
    editor.page.wait_for_function("() => Htx.annotationStore.selected.serializeAnnotation().length === 1")
    shown = project.stack.label_studio.task(first)["predictions"]
    job = project.expert.job
    assert label_of(editor.results(), job) == label_of(shown[-1]["result"], job) is not None
    keep(editor.page, "strategy-labeling-screen")
    editor.submit()
    assert editor.task_after(first) == after[1]
    assert len(project.stack.label_studio.task_annotations(first)) == 1
