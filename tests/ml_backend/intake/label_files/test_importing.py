"""Existing labels into a project over the fake Label Studio: every form, twice, broken off, and beside human work."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from ml_backend.effort.record import record_effort
from ml_backend.errors import BadRequest, LabelStudioUnavailable, NotFound
from ml_backend.intake.label_files.importing import import_labels
from ml_backend.label_studio.config import parse_label_config
from ml_backend.label_studio.regions.misfits import fitting
from ml_backend.label_studio.regions.results import read_results
from ml_backend.predictions.imported import with_imported
from ml_backend.state.records import RankingEntry
from tests.fakes.label_studio import choice
from tests.ml_backend.intake.label_files.world import BOXES, CLASSES, OUTLINES, ImportWorld, box, coco, make
from training.geometry.runs import from_window


@pytest.fixture
def outlines(tmp_path: Path) -> Iterator[ImportWorld]:
    world = make(tmp_path, OUTLINES)
    yield world
    world.services.store.close()


@pytest.fixture
def classes(tmp_path: Path) -> Iterator[ImportWorld]:
    world = make(tmp_path, CLASSES)
    yield world
    world.services.store.close()


def test_boxes_become_annotations_once(boxes: ImportWorld, tmp_path: Path) -> None:
    source = coco(
        tmp_path / "coco",
        boxes,
        [box(1, 4), box(1, 40), box(1, 30, 2), box(2, 8), box(2, 50, iscrowd=1)],
        ("Cell", "Platelet"),
    )
    planned = boxes.put(source, dry_run=True)
    assert boxes.annotations() == {1: [], 2: [], 3: []}
    report = boxes.put(source)
    assert report == planned
    # The third image was searched and holds nothing, which is a label as well.
    assert (report.form, report.images, report.matched, report.added, report.regions) == ("coco", 3, 3, 3, 5)
    assert "no label 'Platelet'; 1 left out" in " ".join(report.problems)
    assert not report.complete
    job = parse_label_config(BOXES)
    first, second, third = (made[0] for made in boxes.annotations().values())
    shapes = [region.shape for region in read_results(first["result"], job.controls, (60, 80)).regions]
    # An object whose class the config lacks is no background: its place is to be ignored.
    places = [(round(s.x, 3), round(s.y, 3), round(s.width, 3)) for s in shapes]
    assert places == [(4, 10, 20), (40, 10, 20), (30, 10, 20)]
    assert [region.label for region in read_results(second["result"], job.controls, (60, 80)).regions] == [
        "Cell",
        "ignore",
    ]
    assert third["result"] == []
    assert all("score" not in region for region in first["result"])
    assert not first["ground_truth"]
    again = boxes.put(source)
    assert (again.added, again.present) == (0, 3)
    assert [len(made) for made in boxes.annotations().values()] == [1, 1, 1]
    assert len(boxes.services.store.labels.all(boxes.project)) == 3


def test_outlines_as_polygons_and_as_runs(outlines: ImportWorld, tmp_path: Path) -> None:
    mask = np.zeros((60, 80), np.uint8)
    mask[10:30, 20:50] = 1
    polygon = {**box(1, 20, 2), "bbox": [20, 10, 30, 20], "segmentation": [[20, 10, 50, 10, 50, 30, 20, 30]]}
    runs = {**box(2, 20), "bbox": [20, 10, 30, 20], "segmentation": from_window(mask, (0, 0), (60, 80))}
    broken = {**box(3, 20, 2), "bbox": [20, 10, 30, 20], "segmentation": {"size": [60, 80], "counts": "~~~"}}
    report = outlines.put(coco(tmp_path / "coco", outlines, [polygon, runs, broken], ("Cell", "Nucleus")))
    assert (report.added, report.regions) == (3, 3)
    assert "annotation 3: its outline cannot be used" in " ".join(report.problems)
    for task, label in ((1, "Nucleus"), (2, "Cell"), (3, "Nucleus")):
        (region,) = outlines.annotations()[task][0]["result"]
        assert region["type"] == "polygonlabels"
        assert region["value"]["polygonlabels"] == [label]
        points = np.array(region["value"]["points"]) * (0.8, 0.6)
        assert points.min(axis=0) == pytest.approx([20, 10], abs=1)
        assert points.max(axis=0) == pytest.approx([50, 30], abs=1)


def test_a_file_whose_images_only_the_project_has(boxes: ImportWorld, tmp_path: Path) -> None:
    source = coco(tmp_path / "coco", boxes, [box(1, 4)], ("Cell",), copy=False) / "annotations.json"
    content = json.loads(source.read_text())
    content["images"].append({"id": 77, "file_name": "elsewhere.png", "height": 60, "width": 80})
    content["images"][0]["file_name"] = f"some/folder/{boxes.images[0].name}"
    source.write_text(json.dumps(content))
    report = boxes.put(source)
    assert (report.added, report.regions) == (3, 1)
    assert "The project has no image elsewhere.png" in " ".join(report.problems)


def test_yolo(boxes: ImportWorld, tmp_path: Path) -> None:
    folder = tmp_path / "yolo"
    for name in ("images", "labels"):
        (folder / name).mkdir(parents=True)
    for path in boxes.images[:2]:
        (folder / "images" / path.name).write_bytes(path.read_bytes())
    (folder / "labels" / "cell0.txt").write_text("0 0.5 0.5 0.25 0.25\n7 0.1 0.1 0.1 0.1\n")
    (folder / "classes.txt").write_text("Cell\n")
    report = boxes.put(folder)
    assert (report.form, report.added, report.regions) == ("yolo", 2, 2)
    labels = [region["value"]["rectanglelabels"] for region in boxes.annotations()[1][0]["result"]]
    assert labels == [["Cell"], ["ignore"]]
    assert "there is no class 7" in " ".join(report.problems)


def test_what_people_did_is_never_touched(classes: ImportWorld, tmp_path: Path) -> None:
    client = classes.services.label_studio
    client.create_annotation(1, choice("Dog", "choice", "image"), 3.0)
    client.create_annotation(2, [], 3.0, was_cancelled=True)
    table = tmp_path / "labels.csv"
    table.write_text("file,label\ncell0.png,Cat\ncell1.png,Cat\ncell2.png,Cat\nother.png,Cat\ncell2.png,Cat\n")
    report = classes.put(table)
    assert (report.form, report.added, report.present, report.unmatched_count) == ("csv", 1, 2, 2)
    assert any(line.startswith("other.png is not an image of the project (tried") for line in report.unmatched)
    assert "cell2.png is the same image as cell2.png; only the first is used." in report.unmatched
    assert [len(made) for made in classes.annotations().values()] == [1, 1, 1]
    assert classes.annotations()[1][0]["result"][0]["value"]["choices"] == ["Dog"]
    assert classes.annotations()[3][0]["result"][0]["value"]["choices"] == ["Cat"]
    record_effort(classes.services.store, classes.project)
    assert [row.start for row in classes.services.store.effort.all(classes.project)] == ["elsewhere"]


@pytest.mark.parametrize("text", ["cell0.png;Cat\ncell1.png;Dog\n", "label\timage\nCat\tcell0.png\nDog\tcell1.png\n"])
def test_tables_of_other_kinds(classes: ImportWorld, tmp_path: Path, text: str) -> None:
    table = tmp_path / "labels.csv"
    table.write_text(text)
    assert classes.put(table).added == 2


def test_class_folders_by_content_whatever_the_name(classes: ImportWorld, tmp_path: Path) -> None:
    for name, path in (("Cat", classes.images[0]), ("Dog", classes.images[1]), ("Cow", classes.images[2])):
        (tmp_path / "sorted" / name).mkdir(parents=True)
        (tmp_path / "sorted" / name / "001.png").write_bytes(path.read_bytes())
    Image.new("RGB", (80, 60)).save(tmp_path / "sorted" / "Cat" / "cell2.png")
    Image.new("RGB", (10, 10)).save(tmp_path / "sorted" / "Cat" / "cell1.png")
    report = classes.put(tmp_path / "sorted")
    made = [[a["result"][0]["value"]["choices"][0] for a in each] for each in classes.annotations().values()]
    assert made[:2] == [["Cat"], ["Dog"]]
    assert (report.form, report.by_name_alone) == ("folder", 1)
    assert "Cat/cell1.png is a different image from the project's cell1.png" in " ".join(report.unmatched)
    assert "Cow/001.png is the same image as Cat/cell2.png" in " ".join(report.unmatched)


def test_broken_off_and_begun_again(classes: ImportWorld, tmp_path: Path) -> None:
    table = tmp_path / "labels.csv"
    table.write_text("".join(f"cell{n}.png,Cat\n" for n in range(3)))
    done = 0

    def interrupted(title: str) -> Any:
        def report(_fraction: float, _message: str) -> None:
            nonlocal done
            done += title.startswith("Adding")
            if done == 2:
                raise KeyboardInterrupt

        return report

    with pytest.raises(KeyboardInterrupt):
        import_labels(classes.services, classes.project, table, kind="annotations", stage=interrupted)
    classes.fake.fail_next(match="annotations")
    with pytest.raises(LabelStudioUnavailable):
        classes.put(table)
    assert classes.put(table).added == 1
    assert [len(made) for made in classes.annotations().values()] == [1, 1, 1]


def test_pre_annotations_wait_for_the_next_order(boxes: ImportWorld, tmp_path: Path) -> None:
    source = coco(tmp_path / "coco", boxes, [box(1, 4), box(2, 8)], ("Cell",))
    boxes.services.label_studio.create_annotation(1, [], 3.0)
    report = boxes.put(source, kind="predictions")
    assert report.added == 3
    assert boxes.annotations()[2] == []
    store = boxes.services.store
    (run,) = store.runs.latest(boxes.project)
    assert (run.kind, run.reason) == ("rank", "3 pre-annotations were imported.")
    assert boxes.put(source, kind="predictions").added == 0
    job = parse_label_config(BOXES)
    items = [item.id for item in store.items.all(boxes.project)]
    entries = [RankingEntry(item, place, 0.0, 0.0) for place, item in enumerate(items)]
    own = [{"id": "paploop-1-1-0"}]
    shown = list(with_imported(boxes.store.proposals, boxes.project, job, entries, [[], own, []], {items[2]}))
    assert [len(result) for result in shown] == [1, 1, 0]
    assert shown[1] == own
    assert str(shown[0][0]["id"]).startswith("import-")


def test_nothing_is_proposed_that_the_config_lacks_by_now() -> None:
    job = parse_label_config(BOXES)
    region = {"id": "a", "from_name": "box", "type": "rectanglelabels", "value": {"rectanglelabels": ["Cell"]}}
    gone = {**region, "id": "b", "value": {"rectanglelabels": ["Gone"]}}
    assert fitting([region, gone, {**region, "id": "c", "from_name": "other"}], job) == [region]


def test_mistakes_get_a_sentence(boxes: ImportWorld, tmp_path: Path) -> None:
    (tmp_path / "second").mkdir()
    classes = make(tmp_path / "second", CLASSES)
    table = tmp_path / "labels.csv"
    table.write_text("cell0.png,Cat\n")
    with pytest.raises(BadRequest, match="the project draws objects"):
        boxes.put(table)
    with pytest.raises(BadRequest, match="gives whole images a class"):
        classes.put(coco(tmp_path / "coco", boxes, [box(1, 4)], ("Cell",)))
    with pytest.raises(NotFound, match="no file or folder"):
        boxes.put(tmp_path / "nowhere")
    (tmp_path / "empty").mkdir()
    with pytest.raises(BadRequest, match="not a COCO, YOLO, VOC or class folder"):
        boxes.put(tmp_path / "empty")
    table.write_text("cell0.png,Cow\n")
    with pytest.raises(BadRequest, match=r"None of the labels \(Cow\) is in the labeling config \(Cat, Dog\)"):
        classes.put(table)
    table.write_text("file,label\n")
    with pytest.raises(BadRequest, match="contains no labels"):
        classes.put(table)
    classes.services.store.close()
