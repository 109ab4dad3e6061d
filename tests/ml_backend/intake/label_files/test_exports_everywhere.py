"""What Label Studio's converter writes goes into `fit`, `evaluate`, `replay` and the expert of `simulate` alike."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import typer
from label_studio_sdk.converter import Converter
from PIL import Image
from typer.testing import CliRunner

from ml_backend.cli import evaluate, fit, replay
from ml_backend.errors import BadRequest
from ml_backend.experiments.simulate.drawing import Drawer
from ml_backend.experiments.simulate.expert import Expert, Manner
from ml_backend.experiments.simulate.session import expert_for
from ml_backend.experiments.simulate.study import Study, prepare
from ml_backend.intake.label_files.exported import labels_in, objects
from tests.fakes.progress import silent
from tests.ml_backend.intake.label_files.world import IMAGE, make
from training.data.class_list import ClassList
from training.data.importers.objects import read_objects

SIDE = 64
GRADED = (
    f'{IMAGE}<Choices name="grade" toName="image"><Choice value="bright"/><Choice value="dark/old"/></Choices></View>'
)
DRAWN = (
    f'{IMAGE}<RectangleLabels name="box" toName="image"><Label value="Cell"/></RectangleLabels>'
    '<PolygonLabels name="poly" toName="image"><Label value="Debris"/></PolygonLabels></View>'
)
OWN = ("JSON", "JSON_MIN", "CSV", "TSV")
OF_OTHERS = ("COCO_WITH_IMAGES", "YOLO_WITH_IMAGES", "VOC")
OBJECTS = {("Cell", 16, 8, 32, 24), ("Cell", 40, 8, 56, 24), ("Debris", 8, 40, 32, 56)}


def paploop(*words: Any) -> dict[str, Any]:
    app = typer.Typer()
    for module in (fit, evaluate, replay):
        module.register(app)
    result = CliRunner().invoke(app, [str(word) for word in (*words, "--json")], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    answer: dict[str, Any] = json.loads(result.stdout)
    return answer


def result(kind: str, control: str, **value: Any) -> dict[str, Any]:
    sizes = {"original_width": SIDE, "original_height": SIDE, "image_rotation": 0}
    return {"id": control, "from_name": control, "to_name": "image", "type": kind, "value": value, **sizes}


def graded(number: int) -> list[dict[str, Any]]:
    return [result("choices", "grade", choices=[("bright", "dark/old")[number % 2]])]


def drawn(_number: int) -> list[dict[str, Any]]:
    # Most objects are boxes, so that all are used as boxes.
    cells = [
        result("rectanglelabels", "box", x=x, y=12.5, width=25, height=25, rotation=0, rectanglelabels=["Cell"])
        for x in (25, 62.5)
    ]
    ring = [[12.5, 62.5], [50, 62.5], [50, 87.5], [12.5, 87.5]]
    return [*cells, result("polygonlabels", "poly", points=ring, closed=True, polygonlabels=["Debris"])]


def title(number: int) -> str:
    """The name of an upload, with the prefix that Label Studio gives it."""
    return f"1a2b3c{number + 16:x}-cell{number}.png"


def exported(folder: Path, config: str, form: str, count: int = 6) -> Path:
    """An export of a project into which images were uploaded; the last one was skipped by the annotator."""
    uploads, rng = folder / "uploads" / "1", np.random.default_rng(0)
    uploads.mkdir(parents=True)
    tasks = []
    for number in range(count + 1):
        name = title(number)
        pixels = rng.normal((190, 60)[number % 2], 20, (SIDE, SIDE, 3))
        Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8)).save(uploads / name)
        skipped = number == count
        made = [] if skipped else (graded if config is GRADED else drawn)(number)
        annotation = {"id": number, "completed_by": 1, "result": made, "was_cancelled": skipped, "lead_time": 1.0}
        annotation |= dict.fromkeys(("created_at", "updated_at"), "2026-11-21T09:00:00Z")
        # A task of PapLoop carries the name of its image besides.
        data = {"image": f"/data/upload/1/{name}"} | ({"name": f"cell{number}.png"} if config is GRADED else {})
        tasks.append({"id": number, "data": data, "annotations": [annotation], "predictions": [], "file_upload": name})
    source, out = folder / "tasks.json", folder / "out"
    source.write_text(json.dumps(tasks))
    converter = Converter(config, str(folder), upload_dir=str(uploads.parent))
    converter.convert(str(source), str(out), form, is_dir=False)
    if form in OWN:
        shutil.copytree(uploads, out / "images", dirs_exist_ok=True)
    return out


@pytest.mark.slow
@pytest.mark.parametrize("form", OWN)
def test_classes(tmp_path: Path, form: str) -> None:
    out = exported(tmp_path, GRADED, form, count=12)
    given = labels_in(out)
    assert isinstance(given, ClassList)
    assert given.labels == {f"images/{title(number)}": ("bright", "dark/old")[number % 2] for number in range(12)}
    fitted = paploop("fit", out, "--out", tmp_path / "model", "--held-out", 0.4)
    assert fitted["classes"] == ["bright", "dark/old"]
    assert fitted["train"]["images"] + fitted["held_out"]["items"] == 12
    assert paploop("evaluate", tmp_path / "model", out, "--all")["items"] == 12
    words = ("--strategies", "margin", "--seeds", 1, "--budgets", 4, "--group-pattern", r"cell(\d+)")
    assert paploop("replay", out, *words)["strategies"]["margin"]["labels"] == [4]


@pytest.mark.slow
@pytest.mark.parametrize("form", [*OWN[:3], *OF_OTHERS])
def test_objects(tmp_path: Path, form: str) -> None:
    out = exported(tmp_path, DRAWN, form)
    data = read_objects(objects(labels_in(out)))
    for image in data.images:
        found = {(data.classes[n], *box) for n, box in zip(image.classes, image.boxes.tolist(), strict=True)}
        # The VOC export holds boxes alone.
        assert found == {each for each in OBJECTS if form != "VOC" or each[0] == "Cell"}
    assert len(data.images) == 6
    fitted = paploop("fit", out, "--out", tmp_path / "model", "--steps", 1)
    assert fitted["train"]["images"] + fitted["held_out"]["images"] == 6
    measured = paploop("evaluate", tmp_path / "model", out, "--all")
    assert (measured["images"], measured["objects"]) == (6, 12 if form == "VOC" else 18)
    words = ("--strategies", "class_quota", "--seeds", 1, "--budgets", 2, "--steps", 1, "--test-fraction", 0.5)
    assert paploop("replay", out, *words, "--zoom", 0.5)["data"]["pool_objects"] == (6 if form == "VOC" else 9)


@pytest.mark.parametrize("form", [*OWN[:3], "YOLO_WITH_IMAGES"])
def test_the_expert_of_simulate_draws_them(tmp_path: Path, form: str) -> None:
    world = make(tmp_path, DRAWN)
    out = exported(tmp_path / "project", DRAWN, form)
    if form in OWN:
        # The project knows its images, so they need not lie beside the export.
        shutil.rmtree(out / "images")
    expert = expert_for(
        world.services.store, world.services.label_studio, world.services.images, world.project, out, Manner()
    )
    assert isinstance(expert, Drawer)
    assert expert.label(9, lambda count: None) == 3
    assert {len(made["result"]) for (made,) in world.annotations().values()} == {3}
    world.services.store.close()


@pytest.mark.parametrize("form", OWN)
def test_the_expert_of_simulate_names_them(tmp_path: Path, form: str) -> None:
    world = make(tmp_path, GRADED)
    out = exported(tmp_path / "project", GRADED, form)
    shutil.rmtree(out / "images")
    source = next(path for path in out.iterdir() if path.is_file())
    expert = expert_for(
        world.services.store, world.services.label_studio, world.services.images, world.project, source, Manner()
    )
    assert isinstance(expert, Expert)
    assert expert.label(9, lambda count: None) == 3
    said = [made["result"][0]["value"]["choices"] for (made,) in world.annotations().values()]
    assert said == [["bright"], ["dark/old"], ["bright"]]
    world.services.store.close()


def test_a_study_lays_out_the_images_of_an_export(tmp_path: Path) -> None:
    world = make(tmp_path, GRADED)
    out = exported(tmp_path / "project", GRADED, "JSON_MIN", count=8)
    services, study = world.services, Study(out, ("uniform",), test_fraction=0.5)
    bench = prepare(services.files, services.settings, 1, study, silent)
    assert (bench.classes, bench.test.shape[0]) == (("bright", "dark/old"), 4)
    laid = {path.relative_to(bench.pool).as_posix() for path in bench.pool.rglob("*.png")}
    assert laid == set(bench.parts.pool)
    assert len(laid) == 4
    world.services.store.close()


def test_what_lies_nowhere_or_is_said_twice_is_left_out_by_name(tmp_path: Path) -> None:
    out = exported(tmp_path, GRADED, "CSV")
    (out / "images" / title(0)).unlink()
    table = out / "result.csv"
    lines = table.read_text().splitlines()
    twice = lines[2].replace("dark/old", "bright")
    table.write_text("\n".join([*lines, twice]) + "\n")
    given = labels_in(table)
    assert isinstance(given, ClassList)
    assert sorted(given.labels) == [f"images/{title(number)}" for number in (2, 3, 4, 5)]
    assert any("cell0.png" in problem for problem in given.problems)
    assert any("cell1.png" in problem and "more than one class" in problem for problem in given.problems)
    shutil.rmtree(out / "images")
    with pytest.raises(BadRequest, match="Put the images there"):
        labels_in(out)
    drawn_only = exported(tmp_path / "drawn", DRAWN, "JSON")
    shutil.rmtree(drawn_only / "images")
    with pytest.raises(BadRequest, match="Put the images there"):
        labels_in(drawn_only)


def test_an_image_of_which_nothing_certain_is_known_is_no_negative(tmp_path: Path) -> None:
    out = exported(tmp_path, DRAWN, "JSON")
    tasks = json.loads((out / "result.json").read_text())
    first, second = (task["annotations"][0]["result"] for task in tasks[:2])
    first[0]["value"]["width"] = "wide"
    first.pop(1)
    second[0]["value"]["rectanglelabels"] = []
    (out / "result.json").write_text(json.dumps(tasks))
    data = read_objects(objects(labels_in(out)))
    images = {image.name[-9:]: image for image in data.images}
    # A region without a place leaves no place for background, one without a class leaves all but its own.
    silent = images["cell0.png"].checked
    assert silent is not None
    assert len(silent) == 0
    assert images["cell1.png"].ignore.tolist() == [[16, 8, 32, 24]]
    assert images["cell2.png"].checked is None
    assert "cell0.png" in " ".join(data.problems)
