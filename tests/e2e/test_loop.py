"""The loop on a real Label Studio, with everything that goes wrong in real life."""

from __future__ import annotations

from pathlib import Path

import pytest

from ml_backend.experiments.simulate.expert import Expert, Manner
from ml_backend.experiments.simulate.oracle import project_oracle
from ml_backend.experiments.simulate.watching import watch_on
from ml_backend.intake.ingest import ingest
from ml_backend.intake.projects import attach, ensure_project
from ml_backend.loop.reconcile import reconcile
from ml_backend.operations.demo.cells import CLASSES, write_cells
from ml_backend.ordering.strategy_choice import change_settings
from ml_backend.runs import request_run
from ml_backend.state.records import RunRow
from tests.e2e.conftest import PATIENCE, RealStack, ranked_tasks, run_to_end, silent, wait_for

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(2400)]

CELLS = 120
LABELS = 60
FIRST = 30


class Story:
    """One project on its way; each chapter is a method, in the order in which they happen."""

    def __init__(self, stack: RealStack, folder: Path) -> None:
        self.stack = stack
        self.services = stack.services
        self.store = stack.services.store
        self.folder = folder
        write_cells(folder, lambda fraction, message: None, count=CELLS)
        self.project = ensure_project(
            self.services.label_studio, self.services.files, "story", "End to end: cells", CLASSES
        )
        attach(
            self.services.store, self.services.label_studio, self.services.settings, self.project, self.services.clock()
        )
        change_settings(
            self.services.store.projects, self.project, {"auto_train": False, "group_pattern": r"(patient\d+)"}
        )

    def import_and_rank(self) -> None:
        report = ingest(self.services, self.project, self.folder, stage=silent)
        assert (report.found, report.new, report.unreadable) == (CELLS, CELLS, {})
        assert report.tasks == CELLS - report.near_duplicates
        self.expert = Expert(
            self.services.label_studio, self.project, project_oracle(self.services.store.items, self.project), Manner()
        )
        self.run("rank")

    def ingest_again_changes_nothing(self) -> None:
        before = self.stack.label_studio.task_ids(self.project)
        report = ingest(self.services, self.project, self.folder, stage=silent)
        assert (report.new, report.tasks) == (0, 0)
        assert self.stack.label_studio.task_ids(self.project) == before

    def label(self, count: int) -> None:
        """Label and wait until the webhooks have told."""
        known = len(self.store.labels.ids(self.project))
        assert self.expert.label(count, lambda _: None) == count
        watch_on(self.services, PATIENCE).wait_for_labels(self.project, known + count)

    def run(self, kind: str) -> RunRow:
        return run_to_end(self.stack, self.project, kind)

    def labels_come_in_ranked_order(self, count: int) -> None:
        wanted = ranked_tasks(self.stack, self.project, count)
        start = len(self.expert.tally.tasks)
        self.label(count)
        assert self.expert.tally.tasks[start:] == wanted

    def caught_in(self, state: str, kind: str, strike: str) -> RunRow:
        """Start runs until one is caught in `state`, and do to the stack what `strike` says; the run must end well."""
        for _ in range(5):
            run = request_run(
                self.services.store,
                self.project,
                kind=kind,
                reason=f"The test strikes in {state}.",
                now=self.services.clock(),
            )
            if self.stack.in_state(self.project, state, seconds=120) == run.id:
                if strike == "kill":
                    self.stack.kill_worker()
                else:
                    self.stack.restart_label_studio(seconds_down=3)
                if self.attempts_were_needed(run.id):
                    return self.store.runs.one(run.id)
            self.stack.settled(self.project)
        pytest.fail(f"no run could be caught in {state}")

    def attempts_were_needed(self, run_id: int) -> bool:
        """Whether the run was still open after the strike, so that the strike hit it."""
        hit = self.store.runs.one(run_id).state not in ("done", "failed")
        self.stack.settled(self.project)
        ended = self.store.runs.one(run_id)
        assert ended.state == "done", ended.error
        return hit

    def webhooks_are_lost_and_found(self, count: int) -> None:
        before = set(self.store.labels.ids(self.project))
        self.stack.webhooks(self.project, active=False)
        assert self.expert.label(count, lambda _: None) == count
        assert set(self.store.labels.ids(self.project)) == before
        report = reconcile(self.services, self.project)
        assert report.annotations_changed == count
        assert reconcile(self.services, self.project).annotations_changed == 0
        attach(
            self.services.store, self.services.label_studio, self.services.settings, self.project, self.services.clock()
        )
        assert all(hook["is_active"] for hook in self.stack.label_studio.webhooks(self.project))

    def nothing_is_missing_or_doubled(self) -> None:
        client = self.stack.label_studio
        there = {a for ids in client.annotation_ids(self.project).values() for a in ids}
        here = {a for ids in self.store.labels.ids(self.project).values() for a in ids}
        assert here == there
        assert len(there) == len(self.expert.tally.tasks)
        open_runs = [run for run in self.store.runs.all_open() if run.project_id == self.project]
        assert len(open_runs) <= 1
        self.predictions_are_single()

    def predictions_are_single(self) -> None:
        client = self.stack.label_studio
        version = self.store.projects.one(self.project).active_version
        assert client.project(self.project)["model_version"] == version
        with_prediction = client.prediction_task_ids(self.project, version)

        def cleaned() -> bool:
            return len(client.model_versions(self.project)) == 1

        wait_for(cleaned, "old versions deleted")
        counts = client.model_versions(self.project)
        assert counts[version] == len(with_prediction)
        assert max(counts.values()) <= len(client.task_ids(self.project))

    def every_label_is_in_the_last_run(self, labels: int) -> None:
        run = self.run("train")
        counted = sum(sum(part.values()) for part in _label_counts(self, run).values())
        omitted = run.request.omitted
        assert counted + sum(omitted.values()) == labels


def _label_counts(story: Story, run: RunRow) -> dict[str, dict[str, int]]:
    import json

    metrics = json.loads((story.services.files.run_dir(run.id) / "metrics.json").read_text())
    counts: dict[str, dict[str, int]] = metrics["labels"]
    return counts


def test_from_a_folder_to_models_that_improve_whatever_goes_wrong(real_stack: RealStack, tmp_path: Path) -> None:
    story = Story(real_stack, tmp_path / "cells")
    story.import_and_rank()
    story.ingest_again_changes_nothing()
    story.labels_come_in_ranked_order(FIRST)
    first = story.run("train")
    assert first.decision == "promoted", first.decision_reason
    story.labels_come_in_ranked_order(5)

    change_settings(story.services.store.projects, story.project, {"auto_train": True, "retrain_labels": 10})
    story.label(5)
    real_stack.settled(story.project)
    due = next(run for run in story.store.runs.latest(story.project) if run.kind == "train")
    assert due.id != first.id
    assert due.state == "done", due.error
    change_settings(story.services.store.projects, story.project, {"auto_train": False})

    story.label(5)
    story.caught_in("train", "train", "kill")
    story.webhooks_are_lost_and_found(10)
    story.caught_in("publish", "train", "kill")
    story.label(LABELS - 55)
    story.caught_in("publish", "train", "restart Label Studio")

    story.every_label_is_in_the_last_run(LABELS)
    promoted = [run for run in story.store.runs.latest(story.project) if run.decision == "promoted"]
    assert len(promoted) >= 2, [
        (run.id, run.decision, run.decision_reason) for run in story.store.runs.latest(story.project)
    ]
    assert len(story.store.labels.ids(story.project)) == LABELS
    story.nothing_is_missing_or_doubled()
    story.labels_come_in_ranked_order(3)
