"""PapLoop reads a labeling config as Label Studio's own SDK does, and refuses what the SDK misreads without a word."""

from __future__ import annotations

from pathlib import Path

import pytest
from label_studio_sdk.label_interface import LabelInterface

import annotation_configs
from ml_backend.errors import LabelConfigError
from ml_backend.label_studio.config import parse_label_config

SHIPPED = {path.name: path.read_text() for path in sorted(Path(annotation_configs.__file__).parent.glob("*.xml"))}
IMAGE = '<Image name="img" value="$image"/>'
BOXES = '<RectangleLabels name="b" toName="img"><Label value="A"/><Label value="B"/></RectangleLabels>'
CHOICES = '<Choices name="c" toName="img"><Choice value="A"/><Choice value="B"/></Choices>'
WRITTEN = {
    "image last": CHOICES + IMAGE,
    "alias of a choice": IMAGE + CHOICES.replace('"A"', '"A" alias="a" hint="h"'),
    "alias of a label": IMAGE + BOXES.replace('"A"', '"A" alias="a"'),
    "labels in a layout": IMAGE + BOXES.replace("<Label ", "<View><Label ").replace('"/>', '"/></View>'),
    "labels beside shapes": f'{IMAGE}<Brush name="s" toName="img"/>' + BOXES.replace("RectangleLabels", "Labels"),
    "choices for a label": f'{IMAGE}{BOXES}<View whenTagName="b">{CHOICES}</View>',
    "unknown tag": f'{IMAGE}<Odd name="o"/>{CHOICES}',
    "marks in a name": IMAGE + CHOICES.replace('"A"', '"A &amp; &lt;B&gt; é"'),
}
CONFIGS = SHIPPED | {name: f"<View>{tags}</View>" for name, tags in WRITTEN.items()}


@pytest.mark.parametrize("config", CONFIGS.values(), ids=CONFIGS)
def test_controls_images_and_classes_are_those_of_the_sdk(config: str) -> None:
    job, sdk = parse_label_config(config), LabelInterface(config)
    mine = {control.from_name: control.classes for control in job.controls} or {job.from_name: job.classes}
    for name, classes in mine.items():
        control = sdk.get_control(name)
        assert control.tag.lower() == job.types[name]
        assert control.to_name == [job.to_name]
        assert tuple(label.attr.get("alias") or value for value, label in control.labels_attrs.items()) == classes
    assert sdk.get_object(job.to_name).value == f"${job.data_key}"
    if job.finds_objects:
        assert {control.name for control in sdk.controls} == set(job.tags)


@pytest.mark.parametrize(
    "tags",
    [
        CHOICES + CHOICES.replace('"A"', '"X"'),
        CHOICES.replace("</Choices>", '<Choice value="A"/></Choices>'),
        CHOICES.replace("</Choices>", "<Choice/></Choices>"),
    ],
    ids=["two controls of one name", "a class twice", "a class without a name"],
)
def test_what_the_sdk_merges_or_drops_is_refused(tags: str) -> None:
    config = f"<View>{IMAGE}{tags}</View>"
    assert list(LabelInterface(config).get_control("c").labels) in (["A", "B"], ["A", "B", "X"])
    with pytest.raises(LabelConfigError):
        parse_label_config(config)
