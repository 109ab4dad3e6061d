"""The regions of one confirmed annotation -> objects in px, by the rules at the top of `confirmed`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ml_backend.label_studio.config import LabelingJob
from ml_backend.label_studio.regions import Result
from ml_backend.label_studio.regions.misfits import foreign, readable
from ml_backend.label_studio.regions.results import Region, read_results
from ml_backend.label_studio.regions.shapes import Rectangle, Size, bounding_box, mask_of
from training.data.reading import Objects
from training.geometry.runs import Runs, pixels
from training.types import FloatArray, IntArray


@dataclass(frozen=True)
class ImageObjects:
    """The known objects of one image.

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
