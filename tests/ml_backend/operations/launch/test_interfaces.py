"""Labeling interfaces that `paploop up` makes, and what it says about wishes that do not go together."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from ml_backend.errors import BadRequest, NotFound
from ml_backend.intake.projects import FALLBACK_CLASSES, Interface, label_config
from ml_backend.label_studio.config import parse_label_config
from ml_backend.operations.launch.content import check


@pytest.mark.parametrize(
    ("kind", "job"), [("classes", "classification"), ("boxes", "detection"), ("polygons", "segmentation")]
)
def test_interfaces_are_what_the_loop_drives(kind: str, job: str) -> None:
    wanted = Interface.parse(kind, 'cell, <odd> & "quoted",cell,, debris ')
    found = parse_label_config(label_config(wanted.classes, wanted.kind))
    assert (found.kind, found.data_key) == (job, "image")
    assert found.classes == ("cell", '<odd> & "quoted"', "debris")


def test_classes_come_from_the_wish_or_the_folder(tmp_path: Path) -> None:
    for name in ("high", "low"):
        (tmp_path / name).mkdir()
        Image.new("RGB", (8, 8)).save(tmp_path / name / "a.png")
    assert Interface().classes_for(tmp_path) == ("high", "low")
    assert Interface().classes_for(tmp_path / "low") == FALLBACK_CLASSES
    assert Interface("boxes").classes_for(tmp_path) == ("cell",)
    assert Interface.parse("boxes", "a,b").classes_for(tmp_path) == ("a", "b")


def test_wishes_that_cannot_be_met_are_named_before_anything_starts(tmp_path: Path) -> None:
    with pytest.raises(BadRequest, match="Choose one of classes, boxes, polygons"):
        Interface.parse("circles", "")
    with pytest.raises(BadRequest, match="at least two"):
        Interface.parse("classes", "cell")
    with pytest.raises(BadRequest, match="Leave it out if the project draws objects"):
        check(None, 5, Interface("boxes"))
    with pytest.raises(NotFound):
        check(tmp_path / "none", 0, Interface("boxes", ("a",)))
    check(None, 5, Interface())
