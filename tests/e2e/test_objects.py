"""Cells are boxed and outlined in a real Label Studio: labels, training, promotion, a new order, proposals in place."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from ml_backend.effort.report import effort_report
from ml_backend.experiments.simulate.drawing import Drawer, ObjectOracle, matches
from ml_backend.experiments.simulate.expert import Manner
from ml_backend.experiments.simulate.watching import watch_on
from ml_backend.intake.ingest import ingest
from ml_backend.intake.projects import Kind, attach, ensure_project
from ml_backend.label_studio.regions.results import Region, read_results
from ml_backend.label_studio.regions.shapes import Polygon, Rectangle, bounding_box, mask_of
from ml_backend.operations.demo.fields import CLASSES, HEIGHT, WIDTH, Field, write_fields
from ml_backend.ordering.strategy_choice import change_settings
from ml_backend.state.records import RunRow
from tests.e2e.browser import Editor, keep
from tests.e2e.conftest import PATIENCE, RealStack, ranked_tasks, run_to_end, silent, wait_for
from tests.e2e.shapes import assert_same
from training.data.detection_set import LabelledImage

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(2400)]

SIZE = (HEIGHT, WIDTH)
SMALL = {
    "auto_train": True,
    "retrain_minutes": 10_000,
    "validation_fraction": 0.3,
    "duplicate_radius": 0,
}
"""Settings that let a detector learn a little in a minute; it trains by itself as soon as there are labels enough."""


def truth_of(field: Field) -> LabelledImage:
    """What a perfect expert knows about a field."""
    return LabelledImage(
        field.path,
        field.path.name,
        SIZE,
        field.boxes,
        np.array([CLASSES.index(name) for name in field.classes], dtype=np.int64),
        tuple(mask_of(Polygon(tuple(map(tuple, line.tolist()))), SIZE) for line in field.outlines),
    )


class Story:
    """A project in which cells are drawn."""

    def __init__(self, stack: RealStack, folder: Path, kind: Kind, fields: int) -> None:
        self.stack, self.services, self.store = stack, stack.services, stack.services.store
        self.truth = {field.path.name: truth_of(field) for field in write_fields(folder, fields)}
        self.project = ensure_project(
            self.services.label_studio, self.services.files, f"objects {kind}", f"End to end: {kind}", CLASSES, kind
        )
        attach(
            self.services.store, self.services.label_studio, self.services.settings, self.project, self.services.clock()
        )
        change_settings(self.services.store.projects, self.project, {**SMALL, "retrain_labels": 1000})
        assert ingest(self.services, self.project, folder, stage=silent).tasks == fields
        run_to_end(stack, self.project, "rank")
        self.expert = Drawer(self.services.label_studio, self.project, ObjectOracle(CLASSES, self.truth), Manner())

    def trained_by_itself(self, labels: int, steps: int) -> RunRow:
        """Label what Label Studio hands out until a run becomes due; answers that run when it has ended."""
        change_settings(self.services.store.projects, self.project, {"train_steps": steps, "retrain_labels": labels})
        known = len(self.store.labels.ids(self.project))
        wanted = ranked_tasks(self.stack, self.project, labels)
        start = len(self.expert.tally.tasks)
        assert self.expert.label(labels, lambda _: None) == labels
        assert self.expert.tally.tasks[start:] == wanted
        watch_on(self.services, PATIENCE).wait_for_labels(self.project, known + labels)
        self.stack.settled(self.project)
        run = self.store.runs.latest(self.project)[0]
        assert (run.kind, run.state) == ("train", "done"), run.error
        return run

    def shown(self, task: int) -> tuple[list[dict[str, object]], list[Region]]:
        """The pre-annotation of a task as Label Studio has it, and as regions."""
        version = self.store.projects.one(self.project).active_version
        (prediction,) = (p for p in self.stack.label_studio.task(task)["predictions"] if p["model_version"] == version)
        return prediction["result"], list(read_results(prediction["result"], self.expert.job.controls, SIZE).regions)

    def right_and_wrong(self, task: int) -> tuple[int, int]:
        """Cells with a region of their own where they are, and mistakes: cells without one and regions too many."""
        truth = self.truth[self.stack.label_studio.task(task)["data"]["name"]]
        regions = self.shown(task)[1]
        found = len(matches(truth, [bounding_box(region.shape, SIZE) for region in regions]))
        return found, len(truth.boxes) + len(regions) - 2 * found

    def proposals_are_in_place(self) -> None:
        """In all images that wait, far more cells are found than missed or invented."""
        answers = [self.right_and_wrong(task) for task in ranked_tasks(self.stack, self.project, 1000)]
        right, wrong = (sum(numbers) for numbers in zip(*answers, strict=True))
        assert right > 2 * wrong, (right, wrong)

    def accepted_in_the_editor(self, editor: Editor, name: str) -> list[Region]:
        """Open what comes first, compare what the editor holds with what was sent, and hand it in as it is."""
        first, second = ranked_tasks(self.stack, self.project, 2)
        sent, regions = self.shown(first)
        assert regions, "the first image came without a pre-annotation"
        assert editor.label_all_tasks(self.project) == first
        editor.wait_for_task(first, len(regions))
        keep(editor.page, name)
        self.is_what_was_sent(editor.results(), sent, regions)

        accepted = effort_report(self.services.store, self.project).total.accepted
        editor.submit()
        assert editor.task_after(first) == second
        (annotation,) = self.stack.label_studio.task_annotations(first)
        self.is_what_was_sent(annotation["result"], sent, regions)
        expected = accepted + len(regions)
        wait_for(
            lambda: effort_report(self.services.store, self.project).total.accepted == expected, "regions accepted"
        )
        return regions

    def is_what_was_sent(
        self, results: list[dict[str, object]], sent: list[dict[str, object]], regions: list[Region]
    ) -> None:
        """Same regions, ids, labels, shapes and picture size."""
        assert {result["id"] for result in results} == {result["id"] for result in sent}
        assert {(r["original_height"], r["original_width"], r["image_rotation"]) for r in results} == {(*SIZE, 0)}
        reading = read_results(results, self.expert.job.controls, SIZE)
        assert not reading.left_out
        assert not reading.untouched
        found = {region.id: region for region in reading.regions}
        for region in regions:
            assert found[region.id].label == region.label
            assert_same(found[region.id].shape, region.shape, SIZE)


def test_boxes(real_stack: RealStack, editor: Editor, tmp_path: Path) -> None:
    story = Story(real_stack, tmp_path / "fields", "boxes", 20)
    first = story.trained_by_itself(labels=8, steps=6)
    assert first.decision == "promoted", first.decision_reason
    second = story.trained_by_itself(labels=6, steps=60)
    assert second.decision == "promoted", second.decision_reason
    assert second.metrics.judgement["incumbent_run"] == first.id
    assert story.store.projects.one(story.project).active_run_id == second.id
    ranking = story.store.rankings.active(story.project)
    assert ranking is not None
    assert (ranking.run_id, ranking.opened_by) == (second.id, second.id)

    story.proposals_are_in_place()
    assert all(isinstance(region.shape, Rectangle) for region in story.accepted_in_the_editor(editor, "boxes"))


def test_polygons(real_stack: RealStack, editor: Editor, tmp_path: Path) -> None:
    story = Story(real_stack, tmp_path / "fields", "polygons", 18)
    run = story.trained_by_itself(labels=12, steps=70)
    assert run.decision == "promoted", run.decision_reason
    story.proposals_are_in_place()
    assert all(isinstance(region.shape, Polygon) for region in story.accepted_in_the_editor(editor, "polygons"))
