"""Controls that draw objects on an image: boxes, polygons, ellipses and brush, with their labels."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from ml_backend.label_config.job import Control, Form, LabelingJob
from ml_backend.label_config.tags import Tag

TYPES: Final[Mapping[str, str]] = {
    "RectangleLabels": "rectanglelabels",
    "PolygonLabels": "polygonlabels",
    "EllipseLabels": "ellipselabels",
    "BrushLabels": "brushlabels",
    "Labels": "labels",
}
DRAWING: Final[Mapping[str, str]] = {
    "Rectangle": "rectanglelabels",
    "Polygon": "polygonlabels",
    "Ellipse": "ellipselabels",
    "Brush": "brushlabels",
}
"""Tags that draw and leave the label to a `Labels` -> type of the control that does both."""

SPECIAL: Final = ("ignore", "checked")
"""What a label can mean instead of a class: said by the attribute `paploop`, or by being named so."""


def object_job(tags: Sequence[Tag], images: Mapping[str, str]) -> tuple[LabelingJob | None, list[str]]:
    """All controls that draw objects over the first image that has one, or why there is none."""
    usable: list[Tag] = []
    reasons: list[str] = []
    for tag in tags:
        if tag.name in TYPES:
            reason = _unusable(tag, images, tags)
            if reason:
                reasons.append(f"{tag.name} {tag.get('name')!r} {reason}")
            else:
                usable.append(tag)
    if not usable:
        return None, reasons
    image = next(name for name in usable[0].targets if name in images)
    mine = [tag for tag in usable if image in tag.targets]
    meanings = _meanings(mine)
    classes = tuple(name for name, meaning in meanings.items() if meaning == "class")
    if not classes:
        return None, [*reasons, f"{mine[0].name} {mine[0].get('name')!r} has no label that is a class"]
    controls = tuple(Control(tag.get("name"), image, TYPES[tag.name], _names(tag)) for tag in mine)
    forms = tuple(form for tag, control in zip(mine, controls, strict=True) for form in _forms(tag, control, tags))
    only_boxes = all(form.control.type == "rectanglelabels" for form in forms)
    return (
        LabelingJob(
            kind="detection" if only_boxes else "segmentation",
            from_name=controls[0].from_name,
            to_name=image,
            data_key=images[image],
            classes=classes,
            controls=controls,
            forms=forms,
            ignore=frozenset(name for name, meaning in meanings.items() if meaning == "ignore"),
            checked=frozenset(name for name, meaning in meanings.items() if meaning == "checked"),
            tags=frozenset(tag.get("name") for tag in tags if tag.get("name") and tag.get("toName")),
        ),
        reasons,
    )


def _labels(tag: Tag) -> list[Tag]:
    return [child for child in tag.walk() if child.name == "Label"]


def _name(label: Tag) -> str:
    return label.get("alias") or label.get("value")


def _names(tag: Tag) -> tuple[str, ...]:
    return tuple(dict.fromkeys(name for name in map(_name, _labels(tag)) if name))


def _meanings(tags: Iterable[Tag]) -> dict[str, str]:
    """Label -> "class", "ignore" or "checked", in the order of the config; the first that says something wins."""
    meanings: dict[str, str] = {}
    for tag in tags:
        for label in _labels(tag):
            name = _name(label)
            if not name:
                continue
            said = label.get("paploop").lower()
            usual = name.lower() if name.lower() in SPECIAL else "class"
            meanings.setdefault(name, said if said in (*SPECIAL, "class") else usual)
    return meanings


def _drawn(tag: Tag, tags: Sequence[Tag]) -> list[Tag]:
    """Tags that draw for a `Labels` tag: those over the same image."""
    return [
        other for other in tags if other.name in DRAWING and other.get("name") and set(other.targets) & set(tag.targets)
    ]


def _forms(tag: Tag, control: Control, tags: Sequence[Tag]) -> list[Form]:
    if tag.name != "Labels":
        return [Form(control)]
    return [
        Form(Control(control.from_name, control.to_name, DRAWING[other.name], control.classes), other.get("name"))
        for other in _drawn(tag, tags)
    ]


def _unusable(tag: Tag, images: Mapping[str, str], tags: Sequence[Tag]) -> str:
    """Why a control cannot be driven; empty when it can."""
    if tag.get("paploop").lower() == "off":
        return 'is marked paploop="off"'
    if not tag.get("name"):
        return "has no name"
    if not any(name in images for name in tag.targets):
        return 'is not tied by toName to an Image whose value is of the form "$key"'
    if tag.says("smartOnly"):
        return "only prompts the smart tool (smartOnly)"
    if tag.get("value").startswith("$"):
        return "takes its labels from the task data"
    if not _names(tag):
        return "has no Label"
    if tag.name == "Labels" and not _drawn(tag, tags):
        return "has no Rectangle, Polygon, Ellipse or Brush to draw with"
    return ""
