"""Labeling configs in which objects are drawn."""

from __future__ import annotations

import pytest

from ml_backend.errors import LabelConfigError
from ml_backend.label_studio.config import parse_label_config
from ml_backend.label_studio.config.job import Form
from ml_backend.label_studio.regions.results import Control

LABELS = '<Label value="A"/><Label value="Big B" alias="b"/>'


def view(inner: str) -> str:
    return f'<View><Image name="img" value="$image"/>{inner}</View>'


@pytest.mark.parametrize(
    ("tag", "kind", "type_"),
    [
        ("RectangleLabels", "detection", "rectanglelabels"),
        ("PolygonLabels", "segmentation", "polygonlabels"),
        ("EllipseLabels", "segmentation", "ellipselabels"),
        ("BrushLabels", "segmentation", "brushlabels"),
    ],
)
def test_one_control(tag: str, kind: str, type_: str) -> None:
    job = parse_label_config(view(f'<{tag} name="cells" toName="img">{LABELS}</{tag}>'))
    control = Control("cells", "img", type_, ("A", "b"))
    assert (job.kind, job.from_name, job.to_name, job.data_key) == (kind, "cells", "img", "image")
    assert (job.classes, job.controls, job.forms) == (("A", "b"), (control,), (Form(control),))
    assert job.finds_objects


def test_several_controls_over_one_image_share_their_classes_in_order() -> None:
    job = parse_label_config(
        view(
            '<RectangleLabels name="box" toName="img"><Label value="cell"/></RectangleLabels>'
            '<PolygonLabels name="line" toName="img"><Label value="nucleus"/><Label value="cell"/></PolygonLabels>'
        )
    )
    assert job.kind == "segmentation"
    assert job.classes == ("cell", "nucleus")
    assert [control.from_name for control in job.controls] == ["box", "line"]


def test_labels_beside_the_tags_that_draw() -> None:
    job = parse_label_config(view(f'<Labels name="l" toName="img">{LABELS}</Labels><Rectangle name="r" toName="img"/>'))
    assert job.kind == "detection"
    assert job.controls == (Control("l", "img", "labels", ("A", "b")),)
    assert job.forms == (Form(Control("l", "img", "rectanglelabels", ("A", "b")), "r"),)
    both = view(f'<Labels name="l" toName="img">{LABELS}</Labels><Brush name="p" toName="img"/>')
    assert parse_label_config(both).kind == "segmentation"


def test_labels_that_are_no_classes() -> None:
    job = parse_label_config(
        view(
            '<RectangleLabels name="b" toName="img"><Label value="cell"/><Label value="Ignore"/>'
            '<Label value="unclear" paploop="ignore"/><Label value="searched here" paploop="checked"/>'
            '<Label value="checked" paploop="class"/></RectangleLabels>'
        )
    )
    assert job.classes == ("cell", "checked")
    assert job.ignore == {"Ignore", "unclear"}
    assert job.checked == {"searched here"}


def test_drawing_wins_over_choices_unless_the_config_says_otherwise() -> None:
    choices = '<Choices name="c" toName="img"><Choice value="good"/><Choice value="bad"/></Choices>'
    boxes = f'<RectangleLabels name="b" toName="img">{LABELS}</RectangleLabels>'
    assert parse_label_config(view(choices + boxes)).from_name == "b"
    marked = boxes.replace("toName", 'paploop="off" toName')
    assert parse_label_config(view(choices + marked)).from_name == "c"
    prompts = boxes.replace("toName", 'smart="true" smartOnly="true" toName')
    assert parse_label_config(view(choices + prompts)).from_name == "c"


@pytest.mark.parametrize(
    ("inner", "reason"),
    [
        ('<RectangleLabels name="b" toName="img"/>', "has no Label"),
        (f'<RectangleLabels toName="img">{LABELS}</RectangleLabels>', "has no name"),
        (f'<PolygonLabels name="b" toName="other">{LABELS}</PolygonLabels>', "not connected by toName"),
        ('<BrushLabels name="b" toName="img" value="$labels"/>', "from the task data"),
        (f'<Labels name="b" toName="img">{LABELS}</Labels>', "to draw with"),
        ('<BrushLabels name="b" toName="img"><Label value="ignore"/></BrushLabels>', "no label that is a class"),
        ('<KeyPointLabels name="k" toName="img"><Label value="x"/></KeyPointLabels>', "neither a Choices"),
    ],
)
def test_what_cannot_be_driven_says_why(inner: str, reason: str) -> None:
    with pytest.raises(LabelConfigError, match=reason):
        parse_label_config(view(inner))
