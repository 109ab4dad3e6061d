"""What a control is connected to, and why PapLoop cannot drive it: one rule for `Choices` and for drawing controls."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from ml_backend.label_studio.config.tags import Tag

_KEY = re.compile(r"\$([^\s$\[\]{}]+)")
_PLACEHOLDER: Final = ("{{", "}}", "$")
_LEAVE: Final = 'or mark the control paploop="off" to leave it to the annotators'


@dataclass(frozen=True)
class Unusable:
    """Why a control is not driven.

    Attributes:
        words: what it is or has, and what to change; they follow the control's name.
        meant: whether the config plainly leaves it to people, so that nothing is lost where another control is driven.
    """

    words: str
    meant: bool = False


class Page:
    """All tags of a labeling config, with the images that PapLoop finds in a task's data.

    Args:
        tags: of the whole config, in the order of the text.
    """

    def __init__(self, tags: Sequence[Tag]) -> None:
        self.tags = tags
        self._by_name = {tag.get("name"): tag for tag in reversed(tags) if tag.get("name") and not tag.get("toName")}
        self._names = Counter(tag.get("name") for tag in tags if tag.get("name") and tag.get("toName"))
        self.images = {
            name: key.group(1)
            for name, tag in self._by_name.items()
            if tag.name == "Image" and not _without_key(tag) and (key := _KEY.fullmatch(tag.get("value")))
        }
        """Name of each image -> the key of the data it shows."""

    def image_of(self, control: Tag) -> str:
        """Name of the image that a usable control labels."""
        return next(name for name in control.targets if name in self.images)

    def unusable(self, control: Tag) -> Unusable | None:
        """Why a control of any kind cannot be driven, as far as its place and names say."""
        if control.get("paploop").lower() == "off":
            return Unusable('is marked paploop="off"', meant=True)
        name = control.get("name")
        if control.repeated:
            return Unusable(f"is in a Repeater (several images per task): give each image its own task, {_LEAVE}")
        if not name.strip():
            return Unusable("has no name: give it one")
        if any(mark in name for mark in _PLACEHOLDER):
            return Unusable(f"has a placeholder in its name: give it a plain name without $ or {{{{ }}}}, {_LEAVE}")
        if self._names[name] > 1:
            return Unusable("has the same name as another control: give each control its own name")
        return self._untied(control)

    def _untied(self, control: Tag) -> Unusable | None:
        found = [name for name in control.targets if name in self.images]
        if len(found) > 1:
            return Unusable(
                f"labels several images per task ({', '.join(found)}): connect it to one image by toName, or "
                "give each image its own task"
            )
        if found:
            return None
        others = [self._by_name[name] for name in control.targets if name in self._by_name]
        for tag in others:
            if tag.name == "Image":
                return Unusable(
                    'is not connected by toName to an Image whose value has the form "$key": the Image '
                    f"{tag.get('name')!r} {_without_key(tag)}"
                )
        if others:
            return Unusable(f"labels a <{others[0].name}> tag, not an image: connect it to an <Image>", meant=True)
        said = ", ".join(control.targets)
        return Unusable(
            "is not connected by toName to an Image: "
            + (f"the config has no object named {said!r}; correct toName" if said else "set toName to its name")
        )

    def several_images(self, controls: Sequence[Tag]) -> str:
        """A sentence where controls of one kind label different images of a task; empty where they do not."""
        images = list(dict.fromkeys(self.image_of(control) for control in controls))
        if len(images) < 2:
            return ""
        return (
            f"its controls label several images per task ({', '.join(images)}): give each image its own task, or mark "
            'the controls of all images but one paploop="off"'
        )


def unusable_names(kind: str, names: Sequence[str]) -> Unusable | None:
    """Why the class names of a control cannot be told apart, or None.

    Args:
        kind: tag that holds a name, "Choice" or "Label".
        names: one each, in the order of the config, blank ones included.
    """
    if any(not name.strip() for name in names):
        return Unusable(f"has a {kind} without a name: give it a value or remove it")
    if dynamic := next((name for name in names if name.startswith("$") or "{{" in name), ""):
        return Unusable(f"takes a {kind} from the task data ({dynamic}): write its name in the config")
    seen: dict[str, str] = {}
    for name in names:
        key = " ".join(unicodedata.normalize("NFC", name).split())
        if key in seen:
            return Unusable(f"names the class {name.strip()!r} twice: give each {kind} its own value or alias")
        seen[key] = name
    return None


def _without_key(image: Tag) -> str:
    """Why the address of an image cannot be found in a task's data; empty where it can."""
    value, name = image.get("value"), image.get("name")
    if image.repeated:
        return "is in a Repeater (several images per task)"
    if any(mark in name for mark in _PLACEHOLDER):
        return "has a placeholder in its name; give it a plain one"
    if image.get("valueList"):
        return "shows a list of images (valueList); give each image its own task"
    if _KEY.fullmatch(value):
        return ""
    if "[" in value or "{" in value:
        return f"takes its address from a list or a placeholder ({value}); give each image its own task and a plain key"
    return f'has the value {value!r}; write value="$image", where image is a key of the task data'
