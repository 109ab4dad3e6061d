"""Images with labeled objects, as the detection engine, its evaluation and the importers share them."""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from training.data.split import source_group
from training.geometry.runs import Runs
from training.types import FloatArray, IntArray, TrainingError


def no_boxes() -> FloatArray:
    """`(0, 4)` float32."""
    return np.zeros((0, 4), dtype=np.float32)


@dataclass(frozen=True)
class LabelledImage:
    """One image and what is known about its objects.

    Attributes:
        path: the image file.
        name: what the annotations call it.
        size: `(height, width)` px of the upright image.
        boxes: `(r, 4)` float32, x1 y1 x2 y2 px, inside the image, each with an area.
        classes: `(r,)` int64, index into the classes of the set.
        masks: run-length mask of each object, None for one that has a box alone until `alike` takes those out; or None
            where only boxes are known.
        ignore: `(k, 4)` float32 boxes in which nothing is learned or counted (crowds, unclear places).
        checked: `(c, 4)` float32 boxes that were searched completely; None = the whole image was. Outside of them an
            unlabeled place is unknown, not background; without any box all of them are.
        group: source (patient, slide, field) for leak-proof splits.
    """

    path: Path
    name: str
    size: tuple[int, int]
    boxes: FloatArray
    classes: IntArray
    masks: tuple[Runs | None, ...] | None = None
    ignore: FloatArray = field(default_factory=no_boxes)
    checked: FloatArray | None = None
    group: str = ""

    @property
    def outlines(self) -> tuple[Runs, ...]:
        """The masks that there are; one for each object in a set that `alike` has gone over, or none."""
        return tuple(mask for mask in self.masks or () if mask is not None)


@dataclass(frozen=True)
class LeftOut:
    """How much of a source was left out while it was read.

    Attributes:
        entries: objects that the source names.
        objects: objects that are not learned, by reason.
        images: images that cannot be used, by reason.
    """

    entries: int = 0
    objects: Mapping[str, int] = field(default_factory=dict)
    images: Mapping[str, int] = field(default_factory=dict)

    @property
    def lost(self) -> int:
        """Objects that are not learned."""
        return sum(self.objects.values())

    def as_dict(self) -> dict[str, dict[str, int]]:
        """JSON form: the counts by reason."""
        return {"objects": dict(self.objects), "images": dict(self.images)}


@dataclass(frozen=True)
class DetectionSet:
    """Labeled images with their class names.

    Attributes:
        classes: names; an index into them is a class number.
        images: every one usable.
        problems: what was left out while reading and why, one sentence each.
        left_out: the same in numbers.
    """

    classes: tuple[str, ...]
    images: tuple[LabelledImage, ...]
    problems: tuple[str, ...] = ()
    left_out: LeftOut = field(default_factory=LeftOut)

    @property
    def has_masks(self) -> bool:
        """Whether every object has an outline (and there is one)."""
        labelled = [image for image in self.images if len(image.boxes)]
        return bool(labelled) and all(image.masks is not None for image in labelled)

    def counts(self) -> dict[str, int]:
        """Objects of each class."""
        found = Counter(int(number) for image in self.images for number in image.classes)
        return {name: found[number] for number, name in enumerate(self.classes)}


def default_group(name: str) -> str:
    """The source group of a file name when no pattern is given: its neighbors of the same twenty numbers.

    Microscopes number their pictures, and neighbors tend to show the same smear. A name without a number at its end is
    a group of its own.
    """
    stem = Path(name).stem
    match = re.fullmatch(r"(.*?)(\d{1,9})", stem)
    return f"{match[1]}{int(match[2]) // 20 * 20}+" if match else stem


def grouped(data: DetectionSet, pattern: str) -> DetectionSet:
    """The set with groups by a regular expression on file names (`training.data.split.source_group`), or by default.

    Groups that the annotations name themselves are kept.

    Raises:
        TrainingError: the pattern is not a regular expression.
    """
    name_of: Callable[[str], str] = (lambda name: source_group(name, pattern)) if pattern else default_group
    return replace(data, images=tuple(replace(i, group=i.group or name_of(i.name)) for i in data.images))


def split(data: DetectionSet, fraction: float, salt: str) -> tuple[DetectionSet, DetectionSet]:
    """Training and validation part, whole groups on one side, close to `fraction` of the images in validation.

    Groups are taken for validation in the order of a hash of their name until the fraction is reached, so the
    answer depends on the names alone.

    Raises:
        TrainingError: fewer than two groups, so that nothing can be held out.
    """
    sizes = Counter(image.group for image in data.images)
    if len(sizes) < 2:
        raise TrainingError(
            "All images belong to one source group, so none can be held out; give a pattern that distinguishes them."
        )
    held_out: set[str] = set()
    wanted = max(1, round(fraction * len(data.images)))
    # Hash order first, then the sizes decide how far to go: one big group never swallows the training part.
    for group in sorted(sizes, key=lambda name: _hash_of(name, salt)):
        taken = sum(sizes[name] for name in held_out)
        if taken >= wanted:
            break
        if taken + sizes[group] <= wanted * 1.5 or not held_out:
            held_out.add(group)
    if len(held_out) == len(sizes) or sum(sizes[name] for name in held_out) == len(data.images):
        held_out.discard(max(held_out, key=lambda name: sizes[name]))
    train = tuple(image for image in data.images if image.group not in held_out)
    validation = tuple(image for image in data.images if image.group in held_out)
    return replace(data, images=train), replace(data, images=validation)


def _hash_of(group: str, salt: str) -> bytes:
    return hashlib.sha256(f"{salt}\x00{group}".encode()).digest()


def renumbered(data: DetectionSet, classes: tuple[str, ...]) -> DetectionSet:
    """The set with its class numbers in another order of names; objects of other classes become ignore regions.

    Raises:
        TrainingError: no name is shared.
    """
    number: Mapping[str, int] = {name: index for index, name in enumerate(classes)}
    if not set(number) & set(data.classes):
        raise TrainingError(
            f"The model has the classes {', '.join(classes)}, the data {', '.join(data.classes)}. Give data "
            "with the same classes."
        )
    target = np.array([number.get(name, -1) for name in data.classes], dtype=np.int64)
    images = []
    for image in data.images:
        new = target[image.classes] if len(image.classes) else image.classes
        known = new >= 0
        masks = None if image.masks is None else tuple(m for m, keep in zip(image.masks, known, strict=True) if keep)
        ignore = np.concatenate([image.ignore, image.boxes[~known]])
        images.append(replace(image, boxes=image.boxes[known], classes=new[known], masks=masks, ignore=ignore))
    foreign = sorted(set(data.classes) - set(classes))
    notes = [f"The model does not have the class {name}; its objects are not evaluated." for name in foreign]
    return replace(data, classes=classes, images=tuple(images), problems=(*data.problems, *notes))
