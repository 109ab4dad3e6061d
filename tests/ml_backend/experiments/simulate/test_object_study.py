"""Strategies compared in the loop where objects are drawn, over the fake Label Studio with a worker beside it."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from ml_backend.experiments.simulate import session
from ml_backend.experiments.simulate.drawing import Drawer
from ml_backend.experiments.simulate.expert import Manner
from ml_backend.experiments.simulate.object_report import summarise_objects
from ml_backend.experiments.simulate.object_study import ObjectCurve, ObjectPoint, object_config
from ml_backend.experiments.simulate.study import Study
from ml_backend.label_studio.config import parse_label_config
from tests.fakes.progress import quiet, silent
from tests.ml_backend.loop.objects import BOXES, ObjectLoop, make_object_loop
from tests.training.detection.blobs import CLASSES, make_folder
from training.data.coco import read_coco


@contextmanager
def worker(loop: ObjectLoop) -> Iterator[list[BaseException]]:
    """Does what a worker and the web process would, for whatever project is there; yields what went wrong."""
    stop = threading.Event()
    failed: list[BaseException] = []

    def work() -> None:
        while not stop.wait(0.05):
            try:
                loop.work()
            except Exception as error:
                failed.append(error)

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    try:
        yield failed
    finally:
        stop.set()
        thread.join(60)


@pytest.fixture(scope="module")
def loop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ObjectLoop]:
    root = tmp_path_factory.mktemp("study")
    made = make_object_loop(root / "state", root / "images", BOXES, count=4)
    without_passwords = made.services.settings.model_copy(update={"insecure_no_auth": True})
    made.services = replace(made.services, settings=without_passwords)
    yield made
    made.store.close()


@pytest.mark.slow
def test_strategies_are_compared_by_images_and_objects(loop: ObjectLoop, tmp_path: Path) -> None:
    folder = make_folder(tmp_path / "blobs", 10, size=(64, 64), masks=False)
    study = Study(folder, ("uniform", "class_quota"), seeds=1, labels=6, step=3, patience=60)
    fast = {"train_steps": 3, "duplicate_radius": 0.0, "validation_fraction": 0.0}
    picture = tmp_path / "curves.png"
    with worker(loop) as failed:
        summary = session.run_study(loop.services, replace(study, settings=fast), quiet, picture)
    assert failed == []
    assert summary.as_dict()["kind"] == "objects"
    for name in study.strategies:
        found = summary.as_dict()["strategies"][name]
        assert found["labels"] == [3, 6]
        assert 0 < found["objects"][0] < found["objects"][1]
        assert len(found["ap50"]) == 2
    assert picture.stat().st_size > 1000
    columns, rows = summary.table()
    assert len(rows) == 4
    assert len(columns) == len(rows[0])
    # The temporary projects are gone.
    assert list(loop.fake.state.projects) == [loop.project]


def test_outlines_are_asked_for_where_there_are_some(tmp_path: Path) -> None:
    data = read_coco(make_folder(tmp_path / "blobs", 2, size=(64, 64)))
    assert parse_label_config(object_config(data)).kind == "segmentation"
    boxes = replace(data, images=tuple(replace(image, masks=None) for image in data.images))
    job = parse_label_config(object_config(boxes))
    assert (job.kind, job.classes) == ("detection", CLASSES)


def test_a_summary_averages_over_seeds(tmp_path: Path) -> None:
    from ml_backend.experiments.replay.objects_material import Material

    data = read_coco(make_folder(tmp_path / "blobs", 2, size=(64, 64)))
    curves = [
        ObjectCurve("a", seed, 1, [ObjectPoint(5, 40 + 20 * seed, 1, "promoted", 0.4 + 0.2 * seed, None)], 10, 7)
        for seed in range(2)
    ]
    summary = summarise_objects(Study(tmp_path, ("a",), seeds=2), Material(data, data), curves)
    assert summary.strategies["a"].objects == [50.0]
    assert summary.strategies["a"].ap50 == [pytest.approx(0.5)]
    assert summary.strategies["a"].pre_annotations_right == pytest.approx(0.7)
    assert "a reached AP50 0.500 with 50 objects on 5 images" in summary.verdict
    assert summary.table()[1] == [("a", "5", "50", "0.500 ± 0.141", "0.000")]


def test_one_project_is_labeled_by_a_coco_folder(loop: ObjectLoop, tmp_path: Path) -> None:
    from tests.training.data.coco_files import write_coco
    from training.data.detection_set import DetectionSet

    folder = tmp_path / "truth"
    (folder / "images").mkdir(parents=True)
    for image in loop.drawn.values():
        (folder / "images" / image.name).write_bytes(image.path.read_bytes())
    write_coco(folder / "annotations.json", DetectionSet(CLASSES, tuple(loop.drawn.values())))
    with worker(loop) as failed:
        report = session.label_project(loop.services, loop.project, folder, 3, Manner(), True, silent)
    assert failed == []
    assert report.labels == 3
    assert report.objects > 0
    assert isinstance(
        session.expert_for(
            loop.services.store, loop.services.label_studio, loop.services.images, loop.project, folder, Manner()
        ),
        Drawer,
    )
