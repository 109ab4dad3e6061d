"""Labeling configs are walked by kind of tag; what cannot be driven is refused in words that say what to change."""

from __future__ import annotations

import pytest

from ml_backend.errors import LabelConfigError
from ml_backend.label_studio.config import parse_label_config

CHOICES = '<Choices name="c" toName="img"><Choice value="A"/><Choice value="B"/></Choices>'
BOXES = '<RectangleLabels name="b" toName="img"><Label value="A"/></RectangleLabels>'
TWO_IMAGES = '<Image name="img" value="$image"/><Image name="other" value="$second"/>'


def view(inner: str, image: str = '<Image name="img" value="$image"/>') -> str:
    return f"<View>{image}{inner}</View>"


@pytest.mark.parametrize(
    ("inner", "classes"),
    [
        ('<Header value="Pick one"/><Choice value="A"/><Choice value="B"/>', ("A", "B")),
        ('<View><Choice value="A"/></View><View><View><Choice value="B" alias="b"/></View></View>', ("A", "b")),
        ('<Collapse><Panel value="rare"><Choice value="A"/></Panel></Collapse><Choice value="B"/>', ("A", "B")),
        ('<!-- <Choice value="gone"/> --><Choice value="a&#33;"/><Choice value="b"><Hint/></Choice>', ("a!", "b")),
    ],
)
def test_classes_are_the_choices_at_whatever_depth(inner: str, classes: tuple[str, ...]) -> None:
    assert parse_label_config(view(f'<Choices name="c" toName="img">{inner}</Choices>')).classes == classes


def test_labels_stand_at_whatever_depth_too() -> None:
    inner = '<View><Header value="Cells"/><Label value="A"/></View><Label value="B"/>'
    assert parse_label_config(view(BOXES.replace('<Label value="A"/>', inner))).classes == ("A", "B")


@pytest.mark.parametrize("encoding", ["ISO-8859-1", "UTF-16", "UTF-8", "windows-1252", "ascii", "no-such-encoding"])
@pytest.mark.parametrize("before", ["", "\ufeff", "\n  ", "\ufeff\r\n"])
def test_text_has_no_encoding_whatever_it_declares(encoding: str, before: str) -> None:
    config = view(CHOICES.replace('"A"', '"Größe Ж 細胞"'))
    job = parse_label_config(f'{before}<?xml version="1.0" encoding="{encoding}"?>\n{config}')
    assert job.classes == ("Größe Ж 細胞", "B")


@pytest.mark.parametrize(
    ("config", "says"),
    [
        (view(f'<Repeater on="$pages">{CHOICES}</Repeater>'), "is in a Repeater .*own task"),
        (view(f'<Repeater on="$pages">{BOXES}</Repeater>{CHOICES}'), "'b' is in a Repeater"),
        (view(f'<Repeater on="$p"><View><View>{BOXES}</View></View></Repeater>'), "several images per task"),
        (view(CHOICES, '<Repeater on="$p"><Image name="img" value="$p"/></Repeater>'), "Image 'img' is in a Rep"),
        (view(CHOICES.replace('name="c"', 'name="c_{{idx}}"')), "placeholder in its name"),
        (view(CHOICES.replace('name="c"', 'name="$c"')), "placeholder in its name"),
        (view(CHOICES.replace('"img"', '"p_$i"'), '<Image name="p_$i" value="$image"/>'), "'p_\\$i' has a placehold"),
        (view(CHOICES, '<Image name="img" value="$images[0]"/>'), r"from a list or a placeholder \(\$images\[0\]\)"),
        (view(BOXES, '<Image name="img" value="$pages[{{i}}].image"/>'), "own task and a plain key"),
        (view(BOXES, '<Image name="img" value="${image}"/>'), "plain key"),
        (view(CHOICES, '<Image name="img" valueList="$images"/>'), "valueList"),
        (view(CHOICES, '<Image name="img" value="$image" valueList="$images"/>'), "valueList"),
        (view(CHOICES, '<Image name="img" value="image"/>'), "value 'image'; write value=\"\\$image\""),
        (view(CHOICES, '<Image name="img"/>'), 'value=."?\\$image'),
        (view(CHOICES.replace('"img"', '"img,other"'), TWO_IMAGES), r"several images per task \(img, other\)"),
        (view(BOXES + BOXES.replace('"b"', '"x"').replace('"img"', '"other"'), TWO_IMAGES), "all images but one"),
        (view(CHOICES + CHOICES.replace('"c"', '"x"').replace('"img"', '"other"'), TWO_IMAGES), "all images but one"),
        (view(CHOICES.replace("img", "imgage")), "no object named 'imgage'; correct toName"),
        (view(CHOICES.replace(' toName="img"', "")), "set toName to its name"),
        (view(CHOICES, '<Video name="img" value="$video"/>'), "labels a <Video> tag, not an image"),
        (view(CHOICES, '<Text name="img" value="$text"/>'), "labels a <Text> tag"),
        (view(BOXES, '<Audio name="img" value="$sound"/>'), "labels a <Audio> tag"),
        (view(CHOICES.replace("<Choices", '<Choices perRegion="true"')), "for the whole image"),
        (view(CHOICES.replace("<Choices", '<Choices perItem="true"')), "for the whole image"),
        (view(CHOICES.replace("<Choices", '<Choices value="$options"')), "write them into the config as <Choice>"),
        (view(BOXES.replace('toName="img"', 'toName="img" value="$labels"') + CHOICES), "as <Label> tags"),
        (view(CHOICES.replace('"B"', '"A"')), "names the class 'A' twice"),
        (view(CHOICES.replace('value="B"', 'value="B" alias="A "')), "names the class 'A' twice"),
        (view(CHOICES.replace('"A"', '"Zo\u0308k"').replace('"B"', '"Z\u00f6k"')), "twice"),
        (view(CHOICES.replace('"B"', '"$label"')), r"takes a Choice from the task data \(\$label\)"),
        (view(BOXES.replace('"A"', '"cell {{n}}"')), "takes a Label from the task data"),
        (view(CHOICES.replace('value="B"', 'value=" "')), "a Choice without a name"),
        (view(CHOICES.replace('value="B"', 'html="B"')), "a Choice without a name"),
        (view(BOXES.replace("</Rect", '<Label value="A"/></Rect')), "names the class 'A' twice"),
        (view(BOXES.replace("</Rect", "<Label/></Rect")), "a Label without a name"),
        (view(CHOICES.replace('"B"/>', '"B"><View><Choice value="C"/></View></Choice>')), "nested choices: put all"),
        (view(CHOICES + '<TextArea name="c" toName="img"/>'), "has the same name"),
        (view('<Taxonomy name="t" toName="img"><Choice value="A"/><Choice value="B"/></Taxonomy>'), "neither a Choi"),
        (view(BOXES.replace('"b"', '""') + CHOICES), "has no name: give it one"),
    ],
)
def test_what_cannot_be_driven_is_refused_with_what_to_change(config: str, says: str) -> None:
    with pytest.raises(LabelConfigError, match=says) as refused:
        parse_label_config(config)
    assert str(refused.value).startswith("PapLoop cannot drive this labeling config: ")
    assert str(refused.value).endswith(".")


@pytest.mark.parametrize(
    ("config", "driven"),
    [
        (view(f'<Repeater on="$p"><Image name="p_{{{{i}}}}" value="$p"/></Repeater>{CHOICES}'), "c"),
        (view(CHOICES + '<Choices name="t" toName="text"><Choice value="x"/></Choices><Text name="text"/>'), "c"),
        (view(CHOICES + BOXES.replace('"img"', '"film"') + '<Video name="film" value="$film"/>'), "c"),
        (view(CHOICES, TWO_IMAGES), "c"),
        (view(BOXES + CHOICES.replace('"img"', '"other"'), TWO_IMAGES), "b"),
        (view(BOXES + CHOICES.replace('"B"', '"A"')), "b"),
        (view(BOXES + BOXES.replace('"b"', '"x"').replace('"img"', '"other" paploop="off"'), TWO_IMAGES), "b"),
    ],
)
def test_what_is_left_to_people_stops_nothing(config: str, driven: str) -> None:
    assert parse_label_config(config).from_name == driven


@pytest.mark.parametrize(
    "config",
    [
        '<!DOCTYPE v [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;">]><View>&b;</View>',
        '<?xml version="1.0" encoding="UTF-16"?><!DOCTYPE v SYSTEM "file:///etc/passwd"><View/>',
    ],
)
def test_entities_stay_refused(config: str) -> None:
    with pytest.raises(LabelConfigError, match="document type"):
        parse_label_config(config)
