"""Controls that draw objects on an image: boxes, polygons, ellipses and brush, with their labels."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

from ml_backend.errors import LabelConfigError
from ml_backend.label_studio.config.job import Control, Form, LabelingJob
from ml_backend.label_studio.config.tags import Tag
from ml_backend.label_studio.config.tied import Page, Unusable, unusable_names

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


def object_job(page: Page) -> tuple[LabelingJob | None, list[str]]:
    """All controls that draw objects over an image, or why there is none.

    Raises:
        LabelConfigError: one of several cannot be driven and nothing says that it is left to people: what is drawn
            with it would count as never drawn.
    """
    mine: list[Tag] = []
    reasons: list[str] = []
    for tag in page.tags:
        if tag.name in TYPES:
            reason = _unusable(tag, page)
            if reason is None:
                mine.append(tag)
            elif reason.meant:
                reasons.append(f"{tag.name} {tag.get('name')!r} {reason.words}")
            else:
                raise LabelConfigError(
                    f"PapLoop cannot drive this labeling config: {tag.name} {tag.get('name')!r} {reason.words}.",
                    code="label_config.unusable_control",
                    control=tag.name,
                )
    if not mine:
        return None, reasons
    if several := page.several_images(mine):
        raise LabelConfigError(
            f"PapLoop cannot drive this labeling config: {several}.", code="label_config.several_images"
        )
    image = page.image_of(mine[0])
    meanings = _meanings(mine)
    classes = tuple(name for name, meaning in meanings.items() if meaning == "class")
    if not classes:
        return None, [*reasons, f"{mine[0].name} {mine[0].get('name')!r} has no label that is a class"]
    controls = tuple(Control(tag.get("name"), image, TYPES[tag.name], _names(tag)) for tag in mine)
    forms = tuple(form for tag, control in zip(mine, controls, strict=True) for form in _forms(tag, control, page))
    only_boxes = all(form.control.type == "rectanglelabels" for form in forms)
    return (
        LabelingJob(
            kind="detection" if only_boxes else "segmentation",
            from_name=controls[0].from_name,
            to_name=image,
            data_key=page.images[image],
            classes=classes,
            controls=controls,
            forms=forms,
            ignore=frozenset(name for name, meaning in meanings.items() if meaning == "ignore"),
            checked=frozenset(name for name, meaning in meanings.items() if meaning == "checked"),
            tags=frozenset(tag.get("name") for tag in page.tags if tag.get("name") and tag.get("toName")),
        ),
        reasons,
    )


def _labels(tag: Tag) -> list[Tag]:
    return [child for child in tag.walk() if child.name == "Label"]


def _name(label: Tag) -> str:
    return label.get("alias") or label.get("value")


def _names(tag: Tag) -> tuple[str, ...]:
    return tuple(map(_name, _labels(tag)))


def _meanings(tags: Iterable[Tag]) -> dict[str, str]:
    """Label -> "class", "ignore" or "checked", in the order of the config; the first that says something wins."""
    meanings: dict[str, str] = {}
    for tag in tags:
        for label in _labels(tag):
            name = _name(label)
            said = label.get("paploop").lower()
            usual = name.lower() if name.lower() in SPECIAL else "class"
            meanings.setdefault(name, said if said in (*SPECIAL, "class") else usual)
    return meanings


def _drawn(tag: Tag, page: Page) -> list[Tag]:
    """Tags that draw for a `Labels` tag: those over the same image."""
    return [
        other
        for other in page.tags
        if other.name in DRAWING and other.get("name") and set(other.targets) & set(tag.targets)
    ]


def _forms(tag: Tag, control: Control, page: Page) -> list[Form]:
    if tag.name != "Labels":
        return [Form(control)]
    return [
        Form(Control(control.from_name, control.to_name, DRAWING[other.name], control.classes), other.get("name"))
        for other in _drawn(tag, page)
    ]


def _unusable(tag: Tag, page: Page) -> Unusable | None:
    """Why a control cannot be driven; None when it can."""
    if tag.says("smartOnly"):
        return Unusable("only requests the smart tool (smartOnly)", meant=True)
    if reason := page.unusable(tag):
        return reason
    if "$" in tag.get("value"):
        return Unusable("takes its labels from the task data: write them into the config as <Label> tags")
    if not _labels(tag):
        return Unusable("has no Label: give it one for each class")
    if reason := unusable_names("Label", _names(tag)):
        return reason
    if tag.name == "Labels" and not _drawn(tag, page):
        return Unusable("has no Rectangle, Polygon, Ellipse or Brush to draw with", meant=True)
    return None
