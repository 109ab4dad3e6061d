"""Every labeling config we ship can be driven, and the README names it."""

from __future__ import annotations

from pathlib import Path

import pytest

import annotation_configs
from ml_backend.label_studio.config import parse_label_config

FOLDER = Path(annotation_configs.__file__).parent
CONFIGS = sorted(FOLDER.glob("*.xml"))
CELLS = ("superficial", "parabasal", "high_grade")


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.name)
def test_it_can_be_driven(path: Path) -> None:
    job = parse_label_config(path.read_text())
    assert (job.data_key, job.multiple) == ("image", False)
    assert job.from_name == "class" or job.finds_objects
    assert f"`{path.name}`" in (FOLDER / "README.md").read_text()


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.name)
def test_label_studio_takes_it(path: Path) -> None:
    from label_studio_sdk.label_interface import LabelInterface

    LabelInterface(path.read_text()).validate()


@pytest.mark.parametrize(
    ("name", "kind", "classes", "ignore", "checked"),
    [
        ("cells_boxes", "detection", CELLS, set(), set()),
        ("cells_boxes_in_parts", "detection", CELLS, {"unclear"}, {"searched"}),
        ("cells_polygons", "segmentation", CELLS, set(), set()),
        ("cells_ellipses", "segmentation", CELLS, set(), set()),
        ("nuclei_brush", "segmentation", ("nucleus",), set(), set()),
        ("cells_and_nuclei", "segmentation", ("cell", "nucleus"), set(), set()),
    ],
)
def test_objects(name: str, kind: str, classes: tuple[str, ...], ignore: set[str], checked: set[str]) -> None:
    job = parse_label_config((FOLDER / f"{name}.xml").read_text())
    assert (job.kind, job.classes, job.ignore, job.checked) == (kind, classes, ignore, checked)


def test_there_are_some() -> None:
    assert len(CONFIGS) >= 9
