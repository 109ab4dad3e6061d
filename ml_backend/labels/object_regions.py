"""The regions of one confirmed annotation -> objects in px, by the rules at the top of `confirmed`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from ml_backend.label_studio.config import LabelingJob
from ml_backend.label_studio.regions.results import LABEL_TYPES, Control, Region, read_results
from ml_backend.label_studio.regions.shapes import Rectangle, Size, bounding_box, mask_of
from ml_backend.labels.objects import NO_LABEL, Result, label_in
from training.data.reading import Objects
from training.geometry.runs import Runs, pixels
from training.types import FloatArray, IntArray

GONE = "(control gone)"
DRAWN = (*LABEL_TYPES[:-1], "rectangle", "polygon", "ellipse", "brush")
"""Types of results that mark a place."""


@dataclass(frozen=True)
class ImageObjects:
    """What is known about the objects of one image.

    Attributes:
        boxes: `(r, 4)` float32 px, inside the image.
        classes: `(r,)` int64, index into the job's classes.
        masks: outline of each object, None for one drawn as a box.
        ignore: `(k, 4)` float32 px, where nothing is learned or counted.
        checked: `(c, 4)` float32 px that were searched completely; None: the whole image was; without any box: no place
            was, for somebody drew something whose place cannot be read.
        left_out: one sentence for each region that is not an object, and why.
    """

    boxes: FloatArray
    classes: IntArray
    masks: tuple[Runs | None, ...]
    ignore: FloatArray
    checked: FloatArray | None
    left_out: tuple[str, ...]

    @property
    def says_nothing(self) -> bool:
        """Whether no object is known and no place is known to hold none."""
        return not len(self.boxes) and self.checked is not None and not len(self.checked)


def drawn_upright(results: Sequence[Result], size: Size) -> bool:
    """Whether every region was made over the upright picture, so that nobody has to ask the file how it is turned."""
    stated = ((result.get("original_height"), result.get("original_width")) for result in results)
    # Compared, not put into a set: a list in place of a number has no hash.
    return all(sides in (size, (None, None)) for sides in stated)


def objects_on(results: Sequence[Result], job: LabelingJob, size: Size, *, orientation: int = 1) -> ImageObjects:
    """The objects of one image; what cannot be used is named, the rest goes on.

    Args:
        results: of the annotation that counts.
        job: the labeling job.
        size: `(height, width)` px of the upright image.
        orientation: EXIF orientation of the file, for regions that were made over the stored picture.
    """
    reading = read_results(*readable(results, job), size, orientation=orientation)
    left_out = list(reading.left_out)
    found = Objects()
    for _ in reading.left_out:
        found.leave_out()
    for region in reading.regions:
        box = bounding_box(region.shape, size)
        if region.label in job.checked:
            found.checked = [*(found.checked or []), *([] if box is None else [box])]
        elif box is None:
            left_out.append(f"Region {region.id} does not cover any pixel of the image. Draw it again.")
            found.leave_out()
        elif region.label in job.ignore:
            found.leave_out(box)
        elif region.label in job.classes:
            left_out += _add(found, region, box, job, size)
        else:
            found.leave_out(box)
            left_out.append(foreign(region))
    boxes, classes, ignore, checked = found.stacked()
    return ImageObjects(boxes, classes, tuple(found.masks), ignore, checked, tuple(left_out))


def _add(found: Objects, region: Region, box: FloatArray, job: LabelingJob, size: Size) -> list[str]:
    mask = None if job.kind == "detection" or isinstance(region.shape, Rectangle) else mask_of(region.shape, size)
    if mask is not None and not pixels(mask):
        found.leave_out(box)
        return [f"Region {region.id} does not cover any pixel of the image. Draw it again."]
    found.add(box, job.classes.index(region.label), mask)
    return []


def foreign(region: Region) -> str:
    """Why a region is not an object of the project, for people."""
    what = {
        NO_LABEL: "has no label",
        GONE: f"was drawn with {region.control.from_name}, which the config no longer has in that form",
    }.get(region.label, f"has the label {region.label!r}, which is not in the config")
    return f"Region {region.id} {what}. Its place is excluded from training and evaluation. Relabel it."


def readable(results: Sequence[Result], job: LabelingJob) -> tuple[list[Result], list[Control]]:
    """Results and controls such that regions with foreign labels, or none, or of controls that are gone, are read."""
    controls = {control.from_name: control for control in job.controls}
    gone: list[Control] = []
    readable: list[Result] = []
    for result in [*results, *_unlabelled(results, job)]:
        name, kind, value = str(result.get("from_name")), str(result.get("type")), result.get("value")
        control = controls.get(name)
        if control is not None and kind == control.type and str(result.get("to_name")) == control.to_name:
            if isinstance(value, Mapping):
                label = label_in(result, kind)
                result = {**result, "value": {**value, kind: [label]}}
                if label not in control.classes:
                    controls[name] = replace(control, classes=(*control.classes, label))
        elif kind in DRAWN and (control is not None or name not in job.tags):
            # Under a name of its own, since the config may have a control of another kind by the old one.
            stand_in = Control(f"{name} ({kind})", str(result.get("to_name")), kind, (GONE,))
            gone.append(stand_in)
            shape = {**value, kind: [GONE]} if isinstance(value, Mapping) else value
            result = {**result, "from_name": stand_in.from_name, "value": shape}
        readable.append(result)
    return readable, [*controls.values(), *gone]


def _unlabelled(results: Sequence[Result], job: LabelingJob) -> list[Result]:
    """Regions of a `Rectangle`, `Polygon`, ... that nobody gave a label with the `Labels` beside it."""
    tools = {form.drawn_by: form.control.from_name for form in job.forms if form.drawn_by}
    labelled = {str(result.get("id")) for result in results if result.get("type") == "labels"}
    return [
        {**result, "from_name": tools[str(result.get("from_name"))], "type": "labels"}
        for result in results
        if str(result.get("from_name")) in tools and str(result.get("id")) not in labelled
    ]
