"""`Choices` over an image: one class for the whole of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ml_backend.label_config.job import LabelingJob
from ml_backend.label_config.tags import Tag


def choice_job(tags: Sequence[Tag], images: Mapping[str, str]) -> tuple[LabelingJob | None, list[str]]:
    """The first single-choice `Choices` over an `Image`, or why there is none.

    Where no control takes a single choice, the first that takes several is used; annotations with exactly one choice
    then count as labels.
    """
    found: list[LabelingJob] = []
    reasons: list[str] = []
    for tag in tags:
        if tag.name != "Choices":
            continue
        reason = _unusable(tag, images)
        if reason:
            reasons.append(f"Choices {tag.get('name')!r} {reason}")
            continue
        image = next(name for name in tag.targets if name in images)
        multiple = tag.attributes.get("choice", "single").lower() == "multiple"
        found.append(LabelingJob("classification", tag.get("name"), image, images[image], _classes(tag), multiple))
    if not found:
        return None, reasons
    return next((job for job in found if not job.multiple), found[0]), reasons


def _classes(choices: Tag) -> tuple[str, ...]:
    names = [choice.get("alias") or choice.get("value") for choice in choices.children]
    return tuple(dict.fromkeys(name for name in names if name))


def _unusable(choices: Tag, images: Mapping[str, str]) -> str:
    """Why a `Choices` control cannot be driven; empty when it can."""
    if choices.get("paploop").lower() == "off":
        return 'is marked paploop="off"'
    if not choices.get("name"):
        return "has no name"
    if not any(name in images for name in choices.targets):
        return 'is not tied by toName to an Image whose value is of the form "$key"'
    if choices.says("perRegion") or choices.says("perItem"):
        return "labels single regions (perRegion or perItem)"
    if choices.get("value").startswith("$"):
        return "takes its choices from the task data"
    if any(choice.children for choice in choices.children):
        return "has nested choices"
    return "" if len(_classes(choices)) >= 2 else "offers fewer than two choices"
