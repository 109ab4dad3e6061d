"""What Label Studio exports goes back in: files that the label-studio-sdk's own converter writes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from label_studio_sdk.converter import Converter
from label_studio_sdk.converter.brush import mask2rle
from PIL import Image

from ml_backend.errors import BadRequest
from ml_backend.intake.label_files.importing import import_labels
from ml_backend.label_studio.config import parse_label_config
from ml_backend.labels.object_regions import objects_on
from tests.fakes.progress import quiet
from tests.ml_backend.intake.label_files.world import IMAGE, ImportWorld, of_images
from training.data.importers.objects import read_objects
from training.standalone.layout import data_kind
from training.types import TrainingError

HEIGHT, WIDTH = 60, 80
NAMES = ("my cell 1.png", "Zellk\u00f6rper (2).png", "turned.jpg", "empty.png", "skipped.png")
UPLOADED = ("1a2b3c40-my_cell_1.png", "1a2b3c41-Zellk\u00f6rper_2.png", "1a2b3c42-turned.jpg", "1a2b3c43-empty.png")
DRAWN = (
    f'{IMAGE}<RectangleLabels name="box" toName="image"><Label value="Cell"/><Label value="Debris"/></RectangleLabels>'
    '<PolygonLabels name="poly" toName="image"><Label value="Cell"/></PolygonLabels>'
    '<BrushLabels name="brush" toName="image"><Label value="Debris"/></BrushLabels></View>'
)
GRADED = f'{IMAGE}<Choices name="grade" toName="image"><Choice value="1"/><Choice value="2"/></Choices></View>'
MASK = np.zeros((HEIGHT, WIDTH), np.uint8)
MASK[30:50, 40:70] = 255


def region(name: str, kind: str, label: str, control: str, **value: Any) -> dict[str, Any]:
    sizes = {"original_width": WIDTH, "original_height": HEIGHT, "image_rotation": 0}
    return {
        "id": name,
        "from_name": control,
        "to_name": "image",
        "type": kind,
        **sizes,
        "value": {**value, kind: [label]},
    }


def rectangle(name: str, label: str, x: float, rotation: float = 0) -> dict[str, Any]:
    return region(name, "rectanglelabels", label, "box", x=x, y=10, width=25, height=30, rotation=rotation)


POLYGON = region("p", "polygonlabels", "Cell", "poly", points=[[10, 10], [50, 10], [50, 60], [10, 60]], closed=True)
BRUSH = region("m", "brushlabels", "Debris", "brush", format="rle", rle=mask2rle(MASK))


def pool(folder: Path) -> list[Path]:
    folder.mkdir(parents=True)
    rng = np.random.default_rng(0)
    for name in NAMES:
        picture = Image.fromarray(rng.integers(0, 255, (HEIGHT, WIDTH, 3), np.uint8))
        if name == "turned.jpg":
            exif = Image.Exif()
            exif[0x0112] = 6
            picture.transpose(Image.Transpose.ROTATE_90).save(folder / name, exif=exif)
        else:
            picture.save(folder / name)
    return [folder / name for name in NAMES]


def fresh(tmp_path: Path, config: str) -> ImportWorld:
    """A project whose images are in a folder under their own names."""
    return of_images(tmp_path / "state", config, pool(tmp_path / "pool"))


def exported(tmp_path: Path, config: str, results: list[list[Any]], form: str) -> Path:
    """What Label Studio would export for a project into which the images were uploaded by hand."""
    uploads = tmp_path / "uploads" / "1"
    uploads.mkdir(parents=True)
    images = [tmp_path / "pool" / name for name in NAMES]
    tasks = []
    for number, (name, upload, found) in enumerate(zip(images, UPLOADED, results, strict=False), start=1):
        (uploads / upload).write_bytes(name.read_bytes())
        annotation = {
            "id": number,
            "completed_by": 1,
            "result": found,
            "was_cancelled": False,
            "ground_truth": False,
            "created_at": "2026-11-21T09:00:00Z",
            "updated_at": "2026-11-21T09:00:00Z",
            "lead_time": 3.0,
        }
        tasks.append(
            {
                "id": number,
                "data": {"image": f"/data/upload/1/{upload}"},
                "annotations": [annotation],
                "predictions": [286],
                "file_upload": upload,
            }
        )
    tasks.append(
        {
            "id": 9,
            "data": {"image": "/data/upload/1/1a2b3c44-skipped.png"},
            "annotations": [{"id": 9, "completed_by": 1, "result": [], "was_cancelled": True}],
            "predictions": [],
        }
    )
    source = tmp_path / "tasks.json"
    source.write_text(json.dumps(tasks))
    out = tmp_path / "out"
    Converter(config, str(tmp_path), upload_dir=str(uploads.parent)).convert(str(source), str(out), form, is_dir=False)
    return out


def source_in(out: Path, form: str) -> Path:
    if form in ("JSON", "JSON_MIN"):
        return out / "result.json"
    return next(iter(out.glob("*.?sv")), out)


def put(world: ImportWorld, source: Path) -> dict[str, Any]:
    return import_labels(world.services, world.project, source, kind="annotations", stage=quiet).as_dict()


def labels_by_name(world: ImportWorld) -> dict[str, list[list[str]]]:
    """Labels of each annotation of each image."""
    tasks = world.fake.state.tasks_of(world.project)
    return {
        task["data"]["image"]: [
            sorted(label for region in made["result"] for label in region["value"].get(region["type"], []))
            for made in world.fake.state.annotations_of(task["id"])
        ]
        for task in tasks
    }


def boxes_on(world: ImportWorld, task: int) -> list[list[float]]:
    """Boxes x1 y1 x2 y2 px of the objects of an image, from left to right."""
    (made,) = world.fake.state.annotations_of(task)
    found = objects_on(made["result"], parse_label_config(DRAWN), (HEIGHT, WIDTH))
    return sorted(found.boxes.tolist())


@pytest.mark.parametrize("form", ["JSON", "JSON_MIN", "CSV", "TSV"])
def test_classes(tmp_path: Path, form: str) -> None:
    world = fresh(tmp_path, GRADED)
    graded = [
        [{"id": "c", "from_name": "class", "to_name": "image", "type": "choices", "value": {"choices": [name]}}]
        for name in ("2", "2", "1", "1")
    ]
    theirs = GRADED.replace('name="grade"', 'name="class"')
    report = put(world, source_in(exported(tmp_path, theirs, graded, form), form))
    assert labels_by_name(world) == dict(zip(NAMES, [[["2"]], [["2"]], [["1"]], [["1"]], []], strict=True))
    assert report["added"] == 4
    world.services.store.close()


@pytest.mark.parametrize("form", ["JSON", "JSON_MIN", "CSV"])
def test_objects_in_its_own_forms(tmp_path: Path, form: str) -> None:
    world = fresh(tmp_path, DRAWN)
    drawn = [[rectangle("r", "Cell", 5), POLYGON], [BRUSH], [rectangle("t", "Debris", 50, 30)], []]
    report = put(world, source_in(exported(tmp_path, DRAWN, drawn, form), form))
    assert labels_by_name(world) == dict(
        zip(NAMES, [[["Cell", "Cell"]], [["Debris"]], [["Debris"]], [[]], []], strict=True)
    ), report
    first, brush, turned = (boxes_on(world, number) for number in (1, 2, 3))
    assert first == [pytest.approx([4, 6, 24, 24], abs=0.5), pytest.approx([8, 6, 40, 36], abs=0.5)]
    assert brush == [pytest.approx([40, 30, 70, 50], abs=1)]
    # 20 x 18 px from (40, 6), turned by 30 degrees about that corner.
    assert turned == [pytest.approx([31, 6, 57.3, 31.6], abs=0.6)]
    world.services.store.close()


@pytest.mark.parametrize("form", ["COCO", "COCO_WITH_IMAGES", "YOLO", "YOLO_WITH_IMAGES", "VOC"])
def test_objects_in_forms_of_others(tmp_path: Path, form: str) -> None:
    world = fresh(tmp_path, DRAWN)
    drawn = [[rectangle("r", "Cell", 5)], [rectangle("q", "Debris", 20)], [rectangle("t", "Cell", 50)]]
    report = put(world, exported(tmp_path, DRAWN, drawn, form))
    got = labels_by_name(world)
    assert (got[NAMES[0]], got[NAMES[1]]) == ([["Cell"]], [["Debris"]]), report
    assert boxes_on(world, 1) == [pytest.approx([4, 6, 24, 24], abs=0.5)]
    # COCO states the size of the picture before it is turned, and gives the box over the upright one.
    assert got["turned.jpg"] == [["Cell"]], report
    assert boxes_on(world, 3) == [pytest.approx([40, 6, 60, 24], abs=0.5)]
    assert got["skipped.png"] == []
    world.services.store.close()


def test_a_polygon_on_a_turned_picture_stays_in_its_place(tmp_path: Path) -> None:
    world = fresh(tmp_path, DRAWN)
    out = exported(tmp_path, DRAWN, [[], [], [POLYGON]], "COCO_WITH_IMAGES")
    put(world, out)
    assert boxes_on(world, 3) == [pytest.approx([8, 6, 40, 36], abs=0.5)]
    (learned,) = (image for image in read_objects(out).images if image.name.endswith("turned.jpg"))
    assert learned.boxes.tolist() == [pytest.approx([8, 6, 40, 36], abs=0.5)]
    assert learned.size == (HEIGHT, WIDTH)
    # A box that only fits into the stored picture was not drawn over the upright one: named, not guessed.
    content = json.loads((out / "result.json").read_text())
    content["annotations"] = [{**content["annotations"][0], "segmentation": [], "bbox": [10, 55, 20, 20]}]
    (out / "result.json").write_text(json.dumps(content))
    data = read_objects(out)
    assert all(not image.name.endswith("turned.jpg") for image in data.images)
    assert "turned.jpg is 80 x 60 px, its annotations are for 60 x 80" in " ".join(data.problems)
    world.services.store.close()


def test_an_export_without_any_label_is_refused(tmp_path: Path) -> None:
    world = fresh(tmp_path, DRAWN)
    with pytest.raises(BadRequest, match="contains no labeled object"):
        put(world, source_in(exported(tmp_path, DRAWN, [[], []], "JSON"), "JSON"))
    assert not any(labels_by_name(world).values())
    world.services.store.close()


@pytest.mark.parametrize("slash", ["/", "\\"])
def test_its_coco_export_is_a_folder_to_learn_from(tmp_path: Path, slash: str) -> None:
    pool(tmp_path / "pool")
    drawn = [[rectangle("r", "Cell", 5)], [rectangle("q", "Debris", 20)]]
    out = exported(tmp_path, DRAWN, drawn, "COCO_WITH_IMAGES")
    content = json.loads((out / "result.json").read_text())
    for entry in content["images"]:
        entry["file_name"] = slash.join(["images", *entry["file_name"].split("/")[-1:]])
    (out / "result.json").write_text(json.dumps(content))
    assert data_kind(out) == "objects"
    data = read_objects(out)
    assert {image.path.parent.name for image in data.images} == {"images"}
    assert sum(len(image.boxes) for image in data.images) == 2
    assert set(data.classes) == {"Cell", "Debris"}


def test_labels_of_two_folders_do_not_meet_in_one_image(tmp_path: Path) -> None:
    world = fresh(tmp_path, DRAWN)
    source = tmp_path / "yolo"
    for part in ("train", "val"):
        (source / "labels" / part).mkdir(parents=True)
        (source / "labels" / part / "empty.txt").write_text("0 0.5 0.5 0.2 0.2\n")
    (source / "labels" / "MY_CELL_1.txt").write_text("0 0.5 0.5 0.2 0.2\n")
    (source / "classes.txt").write_text("Cell\n")
    put(world, source)
    assert (labels_by_name(world)["empty.png"], labels_by_name(world)["my cell 1.png"]) == ([], [["Cell"]])
    entries = [{"id": n, "file_name": f"{part}/empty.png"} for n, part in enumerate(("train", "val"), start=1)]
    boxes = [{"id": n, "image_id": n, "category_id": 1, "bbox": [1, 1, 9, 9]} for n in (1, 2)]
    content = {"images": entries, "annotations": boxes, "categories": [{"id": 1, "name": "Cell"}]}
    (tmp_path / "coco.json").write_text(json.dumps(content))
    with pytest.raises(TrainingError, match=r"The project has no image train/empty\.png"):
        put(world, tmp_path / "coco.json")
    assert labels_by_name(world)["empty.png"] == []
    world.services.store.close()
