"""One rule for everything that reads labels: what is left out is never searched and empty.

Whoever left an object out still knows that there is something. Where its box is known, that place becomes an ignore
region: nothing is learned or counted there. Where it is not, nobody can say which places of the image are background,
so the image vouches for none of them (`checked` has no box); its other objects are known all the same.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from training.data.detection_set import LabelledImage, LeftOut, no_boxes
from training.data.values import Unusable
from training.geometry.runs import Runs
from training.types import FloatArray, IntArray, TrainingError

FEW = 3
"""So many objects may be left out of any source, however small it is."""
FEW_PERCENT = 0.05
"""Share of a source's objects that may be left out before it is refused: a wrong notation hits most, a slip few."""
TOLD = 50
"""So many objects left out for one reason are named one by one."""
NAMED = 5
"""Images that a sentence names; the others are counted."""
FAR = 10
"""So many sides beside the image a number is not a place any more, but a mistake."""


class Objects:
    """The objects of one image while they are read.

    Attributes:
        boxes: x1 y1 x2 y2 px of each object.
        classes: class number of each.
        masks: outline of each, None where only its box is known.
        ignore: boxes in which nothing is learned or counted.
        checked: boxes that were searched completely; None: the whole image was.
        vouches: whether places without an object are known to hold none.
    """

    def __init__(self) -> None:
        self.boxes: list[FloatArray] = []
        self.classes: list[int] = []
        self.masks: list[Runs | None] = []
        self.ignore: list[FloatArray] = []
        self.checked: list[FloatArray] | None = None
        self.vouches = True

    def add(self, box: FloatArray, number: int, mask: Runs | None = None) -> None:
        """One object."""
        self.boxes.append(box)
        self.classes.append(number)
        self.masks.append(mask)

    def leave_out(self, box: FloatArray | None = None) -> None:
        """Something is there that is not an object to learn; `box` is its place, None where that is unknown."""
        if box is None:
            self.vouches = False
        elif not any(np.array_equal(box, other) for other in self.ignore):
            # One place may be listed as a crowd of every class.
            self.ignore.append(box)

    def stacked(self) -> tuple[FloatArray, IntArray, FloatArray, FloatArray | None]:
        """Boxes, classes, ignored and checked boxes as arrays, see `LabelledImage`."""
        checked = self.checked if self.vouches else []
        return (
            stacked(self.boxes),
            np.array(self.classes, dtype=np.int64),
            stacked(self.ignore),
            None if checked is None else stacked(checked),
        )

    def image(self, path: Path, name: str, size: tuple[int, int], group: str = "") -> LabelledImage:
        """The image with what is known about it; `masks` may hold None, see `alike`."""
        boxes, classes, ignore, checked = self.stacked()
        return LabelledImage(
            path=path,
            name=name,
            size=size,
            boxes=boxes,
            classes=classes,
            masks=tuple(self.masks) if any(self.masks) else None,
            ignore=ignore,
            checked=checked,
            group=group,
        )


def stacked(boxes: list[FloatArray]) -> FloatArray:
    """`(n, 4)` float32."""
    return np.stack(boxes).astype(np.float32) if boxes else no_boxes()


@dataclass
class Notes:
    """What is told about a source while it is read.

    Attributes:
        problems: one sentence each.
        entries: objects that the source names.
        objects: objects left out, by reason.
        images: images left out, by reason.
        counted: reasons of which one sentence tells all.
    """

    problems: list[str] = field(default_factory=list)
    entries: int = 0
    objects: Counter[str] = field(default_factory=Counter)
    images: Counter[str] = field(default_factory=Counter)
    counted: set[str] = field(default_factory=set)

    def objects_left_out(self, count: int, kind: str, sentence: str) -> None:
        """So many objects are not learned, for one reason."""
        self.objects[kind] += count
        self.counted.add(kind)
        self.problems.append(sentence)

    def object_left_out(self, where: str, reason: Unusable) -> None:
        """An object is not learned."""
        self.objects[reason.kind] += 1
        if self.objects[reason.kind] <= TOLD:
            self.problems.append(f"{where} was left out: {reason}.")

    def image_left_out(self, sentence: str, kind: str) -> None:
        """An image cannot be used."""
        self.images[kind] += 1
        self.problems.append(sentence)

    def sentences(self) -> tuple[str, ...]:
        """What is told; of many objects with one reason the first are named, the others counted."""
        many = [(count - TOLD, kind) for kind, count in self.objects.items() if count > TOLD]
        more = [
            f"{count} more were left out for the same reason: {kind}."
            for count, kind in many
            if kind not in self.counted
        ]
        return (*self.problems, *more)

    def left_out(self) -> LeftOut:
        """The counts."""
        return LeftOut(self.entries, dict(self.objects), dict(self.images))


def together(first: LabelledImage, second: LabelledImage) -> LabelledImage:
    """Two readings of one image as one: every object once, and it vouches only where both do not stand against it."""
    known = {(box.tobytes(), int(number)) for box, number in zip(first.boxes, first.classes, strict=True)}
    joined = Objects()
    for image in (first, second):
        masks = image.masks or (None,) * len(image.boxes)
        for box, number, mask in zip(image.boxes, image.classes.tolist(), masks, strict=True):
            if image is first or (box.tobytes(), number) not in known:
                joined.add(box, number, mask)
        joined.ignore += list(image.ignore)
        joined.vouches = joined.vouches and vouches(image)
    if first.checked is not None and second.checked is not None:
        joined.checked = [*first.checked, *second.checked]
    return joined.image(first.path, first.name, first.size, first.group or second.group)


def vouches(image: LabelledImage) -> bool:
    """Whether some place of the image is known to hold no object."""
    return image.checked is None or len(image.checked) > 0


def usable(images: Iterable[LabelledImage], notes: Notes) -> tuple[LabelledImage, ...]:
    """The images that say something: objects, or that they hold none."""
    kept: list[LabelledImage] = []
    silent: list[LabelledImage] = []
    for image in images:
        (kept if len(image.boxes) or vouches(image) else silent).append(image)
    if silent:
        kind = "nothing about it is certain"
        notes.images[kind] += len(silent)
        names = ", ".join(image.name for image in silent[:NAMED]) + (", ..." if len(silent) > NAMED else "")
        notes.problems.append(
            f"Nothing is certain about {len(silent)} images ({names}); they count neither as labeled nor as empty."
        )
    return tuple(kept)


def clipped(x1: float, y1: float, x2: float, y2: float, size: tuple[int, int]) -> FloatArray:
    """The part of a box inside an image of `(height, width)` px, `(4,)` float32; corners may come in any order.

    Raises:
        Unusable: nothing of it lies inside, or it lies so far outside that its numbers are wrong.
    """
    height, width = size
    corners = np.array([min(x1, x2), min(y1, y2), max(x1, x2), max(y1, y2)], dtype=np.float64)
    sides = np.array([width, height, width, height], dtype=np.float64)
    if (np.abs(corners) > FAR * sides + sides).any():
        raise Unusable("its coordinates are far outside the image")
    box = np.clip(corners, 0, sides).astype(np.float32)
    if (box[2:] <= box[:2]).any():
        raise Unusable("its box has no area inside the image")
    return box


def refuse_many(left_out: LeftOut, *, allow: bool) -> None:
    """Stop where more than a few percent of the objects were left out, for then the file is wrong, not an entry.

    Args:
        left_out: how much of a source was.
        allow: go on all the same.

    Raises:
        TrainingError: it is too much; the message counts by reason.
    """
    lost = left_out.lost
    if allow or lost <= max(FEW, FEW_PERCENT * left_out.entries):
        return
    reasons = "; ".join(f"{count}: {kind}" for kind, count in Counter(left_out.objects).most_common())
    raise TrainingError(
        f"{lost} of {left_out.entries} labels cannot be used ({reasons}). Correct the file, or add "
        "--allow-left-out to continue without them."
    )
