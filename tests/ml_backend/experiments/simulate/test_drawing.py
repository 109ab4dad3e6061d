"""An expert who draws the truth of a COCO folder, over the fake Label Studio."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from ml_backend.effort.compare import Changes, compare
from ml_backend.effort.marks import marks_of
from ml_backend.errors import BadRequest
from ml_backend.experiments.simulate.drawing import Drawer, ObjectOracle, matches, read_object_oracle
from ml_backend.experiments.simulate.expert import Expert, Manner
from ml_backend.experiments.simulate.session import expert_for
from ml_backend.intake.projects import label_config
from ml_backend.label_studio.config import parse_label_config
from ml_backend.label_studio.regions.results import Region, write_results
from ml_backend.label_studio.regions.shapes import Rectangle
from ml_backend.labels.object_regions import objects_on
from tests.ml_backend.loop.objects import BOXES, OUTLINES, ObjectLoop, make_object_loop
from tests.training.detection.blobs import CLASSES, make_folder
from training.geometry.runs import mask_iou


@pytest.fixture
def boxes(tmp_path: Path) -> Iterator[ObjectLoop]:
    loop = make_object_loop(tmp_path / "state", tmp_path / "images", BOXES, count=8)
    yield loop
    loop.store.close()


def oracle_of(loop: ObjectLoop) -> ObjectOracle:
    return ObjectOracle(CLASSES, {image.name: image for image in loop.drawn.values()})


def test_boxes_are_drawn_as_they_are(boxes: ObjectLoop) -> None:
    expert = Drawer(boxes.services.label_studio, boxes.project, oracle_of(boxes), Manner())
    said: list[int] = []
    assert expert.label(100, said.append) == 8
    assert said == list(range(1, 9))
    for task_id, truth in boxes.drawn.items():
        (annotation,) = boxes.services.label_studio.task_annotations(task_id)
        found = objects_on(annotation["result"], expert.job, truth.size)
        np.testing.assert_allclose(found.boxes, truth.boxes, atol=1e-3)
        assert found.classes.tolist() == truth.classes.tolist()
        assert all(result["origin"] == "manual" for result in annotation["result"])
    assert expert.tally.objects == sum(len(image.boxes) for image in boxes.drawn.values())
    assert expert.tally.shown == 0


def test_proposals_are_corrected_and_keep_their_names(boxes: ObjectLoop) -> None:
    task_id, truth = next((task, image) for task, image in boxes.drawn.items() if len(image.boxes) >= 4)
    expert = Drawer(boxes.services.label_studio, boxes.project, oracle_of(boxes), Manner())
    control = expert.job.controls[0]

    def region(name: str, index: int, shift: float, label: int) -> Region:
        x1, y1, x2, y2 = truth.boxes[index].tolist()
        return Region(name, CLASSES[label], Rectangle(x1 + shift, y1, x2 - x1, y2 - y1), control, 0.9)

    own = truth.classes.tolist()
    proposed = [
        region("paploop-1-1-0", 0, 0.0, own[0]),
        region("paploop-1-1-1", 1, 2.0, own[1]),
        region("paploop-1-1-2", 2, 0.0, 1 - own[2]),
        Region("paploop-1-1-3", CLASSES[0], Rectangle(0.0, 0.0, 4.0, 4.0), control, 0.6),
    ]
    results = write_results(proposed, truth.size)
    task = {"id": task_id, "data": {"name": truth.name}, "predictions": [{"id": 7, "result": results}]}
    assert expert.answer(task)
    (annotation,) = boxes.services.label_studio.task_annotations(task_id)
    changes = compare(marks_of(results, expert.job), marks_of(annotation["result"], expert.job))
    assert changes == Changes(accepted=1, moved=1, relabeled=1, added=len(own) - 3, deleted=1)
    assert annotation["parent_prediction"] == 7
    assert (expert.tally.shown, expert.tally.agreed) == (4, 2)
    found = objects_on(annotation["result"], expert.job, truth.size)
    np.testing.assert_allclose(found.boxes, truth.boxes, atol=1e-3)


def test_outlines_where_the_project_asks_for_them(tmp_path: Path) -> None:
    loop = make_object_loop(tmp_path / "state", tmp_path / "images", OUTLINES, count=2)
    expert = Drawer(loop.services.label_studio, loop.project, oracle_of(loop), Manner())
    assert expert.label(1, lambda count: None) == 1
    task_id = expert.tally.tasks[0]
    (annotation,) = loop.services.label_studio.task_annotations(task_id)
    truth = loop.drawn[task_id]
    found = objects_on(annotation["result"], expert.job, truth.size)
    assert truth.masks is not None
    for drawn, true in zip(found.masks, truth.masks, strict=True):
        assert drawn is not None
        assert mask_iou([drawn], [true])[0, 0] >= 0.97
    loop.store.close()


def test_errors_are_wrong_classes_and_unknown_images_are_skipped(boxes: ObjectLoop) -> None:
    truth = oracle_of(boxes)
    known = dict(list(truth.truth.items())[:3])
    expert = Drawer(boxes.services.label_studio, boxes.project, replace(truth, truth=known), Manner(error_rate=1.0))
    assert expert.label(8, lambda count: None) == 3
    assert expert.tally.skipped == 5
    for task_id in expert.tally.tasks:
        (annotation,) = boxes.services.label_studio.task_annotations(task_id)
        found = objects_on(annotation["result"], expert.job, boxes.drawn[task_id].size)
        assert (found.classes == 1 - boxes.drawn[task_id].classes).all()


def test_a_coco_folder_is_an_oracle(tmp_path: Path) -> None:
    oracle = read_object_oracle(make_folder(tmp_path / "blobs", 3, size=(64, 64)))
    assert oracle.classes() == sorted(CLASSES)
    image = oracle.find("elsewhere/blob_0020.png")
    assert image is not None
    assert image.name == "blob_0020.png"
    assert oracle.find("blob_9999.png") is None


def test_who_answers_depends_on_project_and_oracle(boxes: ObjectLoop, tmp_path: Path) -> None:
    services = boxes.services
    asked = partial(expert_for, services.store, services.label_studio, services.images)
    folder = make_folder(tmp_path / "blobs", 2, size=(64, 64))
    assert isinstance(asked(boxes.project, folder, Manner()), Drawer)
    with pytest.raises(BadRequest, match=r"draws objects\. Give a folder"):
        asked(boxes.project, None, Manner())
    classes = boxes.fake.add_project(label_config(CLASSES))
    with pytest.raises(BadRequest, match="labels whole images, not objects"):
        asked(classes, folder, Manner())
    table = tmp_path / "truth.csv"
    table.write_text("image,label\na.png,dark\n")
    assert isinstance(asked(classes, table, Manner()), Expert)
    other = boxes.fake.add_project(BOXES.replace('value="pale"', 'value="else"'))
    with pytest.raises(BadRequest, match="the project does not have: pale"):
        asked(other, folder, Manner())
    assert parse_label_config(BOXES).finds_objects


def test_each_proposal_is_used_once_and_the_closest_first(boxes: ObjectLoop) -> None:
    truth = next(image for image in boxes.drawn.values() if len(image.boxes) >= 2)
    near = truth.boxes[0] + np.array([1, 0, 1, 0], dtype=np.float32)
    found = matches(truth, [None, near, truth.boxes[0], np.array([0, 0, 1, 1], dtype=np.float32)])
    assert {index: place for index, (place, _) in found.items()} == {0: 2}
    assert found[0][1] == pytest.approx(1.0)
    assert matches(truth, []) == {}
