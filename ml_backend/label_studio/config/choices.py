"""`Choices` over an image: one class for the whole of it."""

from __future__ import annotations

from ml_backend.label_studio.config.job import LabelingJob
from ml_backend.label_studio.config.tags import Tag
from ml_backend.label_studio.config.tied import Page, Unusable, unusable_names


def choice_job(page: Page) -> tuple[LabelingJob | None, list[str]]:
    """The first single-choice `Choices` over an `Image`, or why there is none.

    Where no control takes a single choice, the first that takes several is used; annotations with exactly one choice
    then count as labels.
    """
    usable: list[Tag] = []
    reasons: list[str] = []
    for tag in page.tags:
        if tag.name == "Choices":
            reason = _unusable(tag, page)
            if reason:
                reasons.append(f"Choices {tag.get('name')!r} {reason.words}")
            else:
                usable.append(tag)
    singles = [tag for tag in usable if not _takes_several(tag)] or usable
    if not singles:
        return None, reasons
    if several := page.several_images(singles):
        return None, [several]
    first = singles[0]
    image = page.image_of(first)
    return (
        LabelingJob(
            "classification", first.get("name"), image, page.images[image], tuple(_names(first)), _takes_several(first)
        ),
        reasons,
    )


def _choices(control: Tag) -> list[Tag]:
    """The choices of a control, at whatever depth of layout they stand."""
    return [tag for tag in control.walk() if tag.name == "Choice"]


def _names(control: Tag) -> list[str]:
    return [choice.get("alias") or choice.get("value") for choice in _choices(control)]


def _takes_several(control: Tag) -> bool:
    return control.get("choice").lower() == "multiple"


def _unusable(control: Tag, page: Page) -> Unusable | None:
    """Why a `Choices` control cannot be driven; None when it can."""
    if reason := page.unusable(control):
        return reason
    if control.says("perRegion") or control.says("perItem"):
        return Unusable(
            "labels single regions (perRegion or perItem): PapLoop needs one choice for the whole image", meant=True
        )
    if "$" in control.get("value"):
        return Unusable("takes its choices from the task data: write them into the config as <Choice> tags")
    if any(len(_choices(choice)) > 1 for choice in _choices(control)):
        return Unusable("has nested choices: put all <Choice> tags on one level")
    names = _names(control)
    if reason := unusable_names("Choice", names):
        return reason
    return Unusable("offers fewer than two choices: add a <Choice>") if len(names) < 2 else None
