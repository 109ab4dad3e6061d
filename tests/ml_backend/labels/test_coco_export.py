"""Confirmed objects as COCO, and back into another project."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from ml_backend import settings as settings_module
from ml_backend.cli import build_app
from ml_backend.label_studio.config import parse_label_config
from ml_backend.labels.coco_export import Outlines, coco_of
from ml_backend.state.records import AnnotationRow
from tests.fakes.world import NOW
from tests.ml_backend.intake.label_files.world import BOXES, OUTLINES, ImportWorld, make
from training.data.coco import read_coco_file
from training.evaluation.correction_parts import STANDS_FOR
from training.geometry.runs import from_window, mask_iou, pixels

ALL = (
    '<View><Image name="image" value="$image"/>'
    '<RectangleLabels name="box" toName="image"><Label value="Cell"/><Label value="ignore"/><Label value="checked"/>'
    '</RectangleLabels><PolygonLabels name="poly" toName="image"><Label value="Nucleus"/></PolygonLabels>'
    '<EllipseLabels name="ell" toName="image"><Label value="Nucleus"/></EllipseLabels></View>'
)


def region(name: str, kind: str, label: str, **value: Any) -> dict[str, Any]:
    control = {"rectanglelabels": "box", "polygonlabels": "poly", "ellipselabels": "ell"}[kind]
    return {
        "id": name,
        "from_name": control,
        "to_name": "image",
        "type": kind,
        "original_width": 80,
        "original_height": 60,
        "value": {**value, kind: [label]},
    }


def rectangle(name: str, label: str, x: float, rotation: float = 0) -> dict[str, Any]:
    return region(name, "rectanglelabels", label, x=x, y=10, width=25, height=50, rotation=rotation)


def world(tmp_path: Path, config: str = ALL) -> ImportWorld:
    made = make(tmp_path, config)
    outline = region("p", "polygonlabels", "Nucleus", points=[[10, 10], [50, 10], [50, 60], [10, 60]])
    ellipse = region("e", "ellipselabels", "Nucleus", x=50, y=50, radiusX=20, radiusY=30, rotation=0)
    damaged = region("d", "polygonlabels", "Nucleus", points=[[1, 1]])
    results = [rectangle("r", "Cell", 5), outline, ellipse, damaged]
    special = [rectangle("i", "ignore", 5), rectangle("c", "checked", 50), rectangle("t", "Cell", 50, 20)]
    rows = [
        AnnotationRow(1, 1, 4, results, updated_at="2026-11-21T09:00:00Z"),
        AnnotationRow(2, 2, 4, special, updated_at="2026-11-21T09:00:00Z"),
        AnnotationRow(3, 3, 4, [], was_cancelled=True, updated_at="2026-11-21T09:00:00Z"),
    ]
    made.services.store.labels.upsert(made.project, rows, NOW)
    return made


@pytest.mark.parametrize("form", ["auto", "polygons", "runs"])
def test_everything_that_was_confirmed(tmp_path: Path, form: Any) -> None:
    made = world(tmp_path)
    content = coco_of(
        made.services.store,
        made.services.images,
        made.project,
        parse_label_config(ALL),
        form,
        now=made.services.clock(),
    )
    first, second = content.images
    (third,) = content.left_out
    assert (first["file_name"], first["width"], first["height"], first["checked"]) == ("cell0.png", 80, 60, [])
    assert (first["annotated_by"], first["task"]) == (4, 1)
    assert (third["file_name"], third["left_out"]) == ("cell2.png", "skipped")
    assert second["checked"] == [[40, 6, 20, 30]]
    by_region = {entry["region"]: entry for entry in content.annotations}
    assert set(by_region) == {"r", "p", "e", "i", "t"}
    assert by_region["r"]["bbox"] == pytest.approx([4, 6, 20, 30])
    assert "segmentation" not in by_region["r"]
    assert by_region["i"]["iscrowd"] == 1
    assert isinstance(by_region["p"]["segmentation"], dict if form == "runs" else list)
    assert by_region["p"]["area"] == pytest.approx(32 * 30, rel=0.05)
    assert len(content.problems) == 1
    assert "cell0.png: Region d" in content.problems[0]
    made.services.store.close()


def test_what_was_exported_can_be_imported(tmp_path: Path) -> None:
    mask = np.zeros((60, 80), np.uint8)
    mask[10:40, 20:60] = 1
    made = make(tmp_path, OUTLINES)
    source = tmp_path / "coco"
    (source / "images").mkdir(parents=True)
    runs = from_window(mask, (0, 0), (60, 80))
    entry = {"id": 1, "image_id": 1, "category_id": 1, "bbox": [20, 10, 40, 30], "iscrowd": 0, "segmentation": runs}
    images = [{"id": 1, "file_name": made.images[0].name, "height": 60, "width": 80}]
    categories = [{"id": 1, "name": "Nucleus"}]
    (source / "annotations.json").write_text(
        json.dumps({"images": images, "annotations": [entry], "categories": categories})
    )
    assert made.put(source).added == 1
    forms: tuple[Outlines, ...] = ("auto", "runs")
    for form in forms:
        content = coco_of(
            made.services.store,
            made.services.images,
            made.project,
            parse_label_config(OUTLINES),
            form,
            now=made.services.clock(),
        )
        target = tmp_path / f"{form}.json"
        target.write_text(json.dumps(content.as_dict()))
        again = read_coco_file(target, lambda name: made.images[0].parent / name)
        assert again.classes == ("Cell", "Nucleus")
        (back,) = again.images[0].masks or ()
        assert pixels(back) == pytest.approx(pixels(runs), rel=0.03)
        assert mask_iou([back], [runs])[0, 0] > 0.97 > STANDS_FOR
    made.services.store.close()


def test_the_command_writes_coco_or_a_table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = world(tmp_path)
    made.services.store.close()
    monkeypatch.setenv("PAPLOOP_DATA_DIR", str(tmp_path / "state"))
    settings_module.load_settings.cache_clear()
    run = CliRunner()
    answer = run.invoke(build_app(), ["export", str(tmp_path / "a.json"), "--json", "--outlines", "runs"])
    assert answer.exit_code == 0, answer.output
    assert (json.loads(answer.stdout)["objects"], json.loads(answer.stdout)["labelled"]) == (4, 2)
    assert json.loads((tmp_path / "a.json").read_text())["info"]["paploop"]["project"] == made.project
    assert run.invoke(build_app(), ["export", str(tmp_path / "a.csv")]).exit_code == 0
    assert "Cell 1, Nucleus 3" in (tmp_path / "a.csv").read_text()
    settings_module.load_settings.cache_clear()


def test_a_project_without_any_label(tmp_path: Path) -> None:
    made = make(tmp_path, BOXES)
    content = coco_of(
        made.services.store, made.services.images, made.project, parse_label_config(BOXES), now=made.services.clock()
    )
    assert (content.images, content.annotations, len(content.left_out)) == ([], [], 3)
    made.services.store.close()
