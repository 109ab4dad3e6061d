"""Labeling config (XML) -> the job that PapLoop helps with."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from xml.parsers import expat

from ml_backend.errors import LabelConfigError

MAX_CONFIG = 1 << 20
"""Longest config read, characters."""

_KEY = re.compile(r"\$([^\s$]+)")


@dataclass(frozen=True)
class LabelingJob:
    """What a labeling config asks of an annotator, as far as PapLoop drives it.

    Attributes:
        kind: "classification": one class for the whole image.
        from_name: name of the control, e.g. of `Choices`.
        to_name: name of the image it labels.
        data_key: key of a task's data that holds the image.
        classes: class names as they stand in results (`alias` where given), in order of the config.
        multiple: whether the control lets annotators choose several classes.
    """

    kind: str
    from_name: str
    to_name: str
    data_key: str
    classes: tuple[str, ...]
    multiple: bool = False


@dataclass
class _Tag:
    name: str
    attributes: dict[str, str]
    children: list[_Tag] = field(default_factory=list)

    def walk(self) -> Sequence[_Tag]:
        found, waiting = [], [self]
        while waiting:
            tag = waiting.pop()
            found.append(tag)
            waiting.extend(reversed(tag.children))
        return found


def _parse(xml: str) -> _Tag:
    """Read XML without entities or document types, which are the ways to make a small text explode."""
    if len(xml) > MAX_CONFIG:
        raise LabelConfigError(f"The labeling config is longer than {MAX_CONFIG} characters; shorten it.")
    root = _Tag("", {})
    open_tags = [root]

    def start(name: str, attributes: dict[str, str]) -> None:
        tag = _Tag(name, attributes)
        open_tags[-1].children.append(tag)
        open_tags.append(tag)

    def refuse(*_: object) -> None:
        raise LabelConfigError("The labeling config declares a document type or an entity; remove the declaration.")

    parser = expat.ParserCreate()
    parser.StartElementHandler = start
    parser.EndElementHandler = lambda _: open_tags.pop()
    parser.StartDoctypeDeclHandler = refuse
    parser.EntityDeclHandler = refuse
    try:
        parser.Parse(xml.encode("utf-8", errors="replace"), True)
    except expat.ExpatError as error:
        raise LabelConfigError(
            f"The labeling config is not valid XML ({error}); correct it in the project's settings."
        ) from None
    return root


def _images(tags: Sequence[_Tag]) -> dict[str, str]:
    """Name of each image -> the key of the data it shows."""
    keys = {}
    for tag in tags:
        key = _KEY.fullmatch(tag.attributes.get("value", ""))
        if tag.name == "Image" and tag.attributes.get("name") and key:
            keys[tag.attributes["name"]] = key.group(1)
    return keys


def _classes(choices: _Tag) -> tuple[str, ...]:
    names = [choice.attributes.get("alias") or choice.attributes.get("value", "") for choice in choices.children]
    return tuple(dict.fromkeys(name for name in names if name))


def _unusable(choices: _Tag, images: dict[str, str]) -> str:
    """Why a `Choices` control cannot be driven; empty when it can."""
    attributes = choices.attributes
    if not attributes.get("name"):
        return "has no name"
    if not any(name in images for name in attributes.get("toName", "").split(",")):
        return 'is not tied by toName to an Image whose value is of the form "$key"'
    if attributes.get("perRegion", "").lower() == "true" or attributes.get("perItem", "").lower() == "true":
        return "labels single regions (perRegion or perItem)"
    if attributes.get("value", "").startswith("$"):
        return "takes its choices from the task data"
    if any(choice.children for choice in choices.children):
        return "has nested choices"
    return "" if len(_classes(choices)) >= 2 else "offers fewer than two choices"


def parse_label_config(xml: str) -> LabelingJob:
    """Find the control that PapLoop drives: the first single-choice `Choices` over an `Image`.

    Where no control takes a single choice, the first that takes several is used; annotations with exactly one choice
    then count as labels.

    Args:
        xml: the project's labeling config.

    Raises:
        LabelConfigError: it is no XML, or has no control that PapLoop can drive; the message says why.
    """
    tags = _parse(xml).walk()
    images = _images(tags)
    found: list[LabelingJob] = []
    reasons: list[str] = []
    for tag in tags:
        if tag.name != "Choices":
            continue
        reason = _unusable(tag, images)
        if reason:
            reasons.append(f"Choices {tag.attributes.get('name', '')!r} {reason}")
            continue
        image = next(name for name in tag.attributes["toName"].split(",") if name in images)
        multiple = tag.attributes.get("choice", "single").lower() == "multiple"
        found.append(
            LabelingJob("classification", tag.attributes["name"], image, images[image], _classes(tag), multiple)
        )
    if not found:
        why = "; ".join(reasons) or "it has no Choices control"
        raise LabelConfigError(
            f"PapLoop cannot drive this labeling config: {why}; give it a <Choices> with at least two <Choice> "
            'and toName set to an <Image value="$image">.'
        )
    return next((job for job in found if not job.multiple), found[0])
