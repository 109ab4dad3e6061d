"""The XML of a labeling config as a tree of tags."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from xml.parsers import expat

from ml_backend.errors import LabelConfigError

MAX_CONFIG = 1 << 20
"""Longest config read, characters."""


@dataclass
class Tag:
    """One element.

    Attributes:
        name: of the tag, e.g. "Choices".
        attributes: as they stand.
        children: the tags right below it.
        repeated: whether it stands in a `Repeater`, so that its names are made anew for every entry of a list.
    """

    name: str
    attributes: dict[str, str]
    children: list[Tag] = field(default_factory=list)
    repeated: bool = False

    def walk(self) -> Sequence[Tag]:
        """This tag and all below it, in the order of the text."""
        found, waiting = [], [self]
        while waiting:
            tag = waiting.pop()
            found.append(tag)
            waiting.extend(reversed(tag.children))
        return found

    def get(self, name: str) -> str:
        """An attribute, empty where it is missing."""
        return self.attributes.get(name, "")

    def says(self, name: str) -> bool:
        """Whether an attribute is "true"."""
        return self.get(name).lower() == "true"

    @property
    def targets(self) -> list[str]:
        """Names in `toName`."""
        return [name for name in map(str.strip, self.get("toName").split(",")) if name]


def parse_tags(xml: str) -> Tag:
    """Read XML without entities or document types, which could expand a small text without limit.

    The config arrives as text: a byte order mark and a declared encoding, true once of some file, say nothing any more.

    Raises:
        LabelConfigError: it is not XML, too long, or declares something.
    """
    if len(xml) > MAX_CONFIG:
        raise LabelConfigError(
            f"The labeling config is longer than {MAX_CONFIG} characters; shorten it.", code="label_config.too_long"
        )
    root = Tag("", {})
    open_tags = [root]

    def start(name: str, attributes: dict[str, str]) -> None:
        tag = Tag(name, attributes, repeated=open_tags[-1].repeated or name == "Repeater")
        open_tags[-1].children.append(tag)
        open_tags.append(tag)

    def refuse(*_: object) -> None:
        raise LabelConfigError(
            "The labeling config declares a document type or an entity; remove the declaration.",
            code="label_config.declares_entities",
        )

    parser = expat.ParserCreate("utf-8")
    parser.StartElementHandler = start
    parser.EndElementHandler = lambda _: open_tags.pop()
    parser.StartDoctypeDeclHandler = refuse
    parser.EntityDeclHandler = refuse
    try:
        parser.Parse(xml.lstrip("\ufeff \t\r\n").encode("utf-8", errors="replace"), True)
    except expat.ExpatError as error:
        raise LabelConfigError(
            f"The labeling config is not valid XML ({error}); correct it in the project's settings.",
            code="label_config.not_xml",
        ) from None
    return root
