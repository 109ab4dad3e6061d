"""The confirmed objects of a project as COCO, with what PapLoop knows about each image in fields of its own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal

from ml_backend.errors import ImageError
from ml_backend.images.files import ImageFiles
from ml_backend.images.items import display_name
from ml_backend.label_studio.config import LabelingJob
from ml_backend.label_studio.regions import Result
from ml_backend.label_studio.regions.misfits import foreign, readable
from ml_backend.label_studio.regions.result import drawn_upright, stated_size
from ml_backend.label_studio.regions.results import Region, read_results
from ml_backend.label_studio.regions.shapes import (
    Brush,
    Rectangle,
    Shape,
    Size,
    bounding_box,
    corners,
    mask_of,
)
from ml_backend.labels.coco_file import Coco, CocoAnnotation, CocoCategory, CocoImage, CocoInfo, PapLoopInfo
from ml_backend.labels.objects import confirm
from ml_backend.state.records import AnnotationRow, ItemRow
from ml_backend.state.store import Store
from training.data.images import ImageDecodeError, image_size, orientation_of
from training.geometry.polygons import outline
from training.geometry.runs import Runs, pixels, trim

Outlines = Literal["auto", "polygons", "runs"]
UNLABELED = "nobody labeled it"
EXACT = 0.002
"""Share of IoU that a brush mask may lose as a polygon."""


def coco_of(
    store: Store, images: ImageFiles, project_id: int, job: LabelingJob, outlines: Outlines = "auto", *, now: float
) -> Coco:
    """All images with confirmed objects, or confirmed as having none.

    Images carry `task`, `split`, `group` (patient or slide), `duplicate_group` and `state`; `checked` where only parts
    were searched, without a box where something drawn could not be read. Those without a confirmed label are listed
    with the reason under `left_out` and not under `images`, where an image without objects is background. Annotations
    carry Label Studio's region id. A region to be ignored is one crowd for each class, since the usual evaluation
    looks for crowds class by class. A class keeps its category id for the life of the project, see `category_numbers`.

    Args:
        store: the database.
        images: local files of items, for those of unknown size.
        project_id: Label Studio's project id, in which objects are drawn.
        job: its labeling job.
        outlines: "auto": as they were drawn, brush as runs; "polygons" or "runs": all of them so.
        now: unix seconds.
    """
    project = store.projects.one(project_id)
    rows = store.labels.all(project_id)
    confirmed = confirm(rows, job)
    chosen = {row.task_id: row for row in rows if not row.was_cancelled}
    numbers = store.categories.numbers(project_id, job.classes)
    written = _Written(images, job, numbers, outlines)
    for item in store.items.all(project_id):
        task = item.task_id or -1
        said = chosen.get(task)
        written.add(item, confirmed.results.get(task), confirmed.left_out.get(task) or item.reason or UNLABELED, said)
    date = datetime.fromtimestamp(now, UTC).isoformat(timespec="seconds")
    source = PapLoopInfo(project_id, project.active_run_id, project.active_version)
    return Coco(
        info=CocoInfo(project.title, date, source),
        images=written.images,
        annotations=written.annotations,
        categories=[CocoCategory(id=numbers[n], name=n) for n in sorted(job.classes, key=numbers.__getitem__)],
        left_out=written.left_out,
        problems=written.problems,
    )


@dataclass(frozen=True)
class _Drawn:
    """A region in COCO's terms; `box` is x, y, width, height in px."""

    region: str
    box: list[float]
    area: float
    is_crowd: bool = False
    segmentation: Runs | list[list[float]] | None = None


class _Written:
    """The lists of the file while they are filled."""

    def __init__(self, files: ImageFiles, job: LabelingJob, numbers: Mapping[str, int], outlines: Outlines) -> None:
        self._files, self._job, self._numbers, self._outlines = files, job, numbers, outlines
        self.images: list[CocoImage] = []
        self.annotations: list[CocoAnnotation] = []
        self.left_out: list[CocoImage] = []
        self.problems: list[str] = []

    def add(self, item: ItemRow, results: Sequence[Result] | None, reason: str, said: AnnotationRow | None) -> None:
        """One image: with its objects where they are confirmed and its size is known, else among those left out."""
        size = _size(self._files, item, results)
        if results is None:
            self.left_out.append({**_image(item, size, said), "left_out": reason})
        elif size is None:
            sentence = f"{display_name(item)} is labeled, but its size is unknown because its file cannot be read"
            self.problems.append(f"{sentence}. Restore the file and export again.")
            self.left_out.append({**_image(item, size, said), "left_out": "its size is unknown"})
        else:
            image = _image(item, size, said)
            checked = self._add_regions(item, results, size)
            self.images.append(image if checked is None else {**image, "checked": checked})

    def _add_regions(self, item: ItemRow, results: Sequence[Result], size: Size) -> list[list[float]] | None:
        """The boxes that were searched; None: the whole image was."""
        results, controls = readable(results, self._job)
        reading = read_results(results, controls, size, orientation=_orientation(self._files, item, results, size))
        lost = list(reading.left_out)
        searched = []
        for region in reading.regions:
            box = _xywh(region, size)
            if box is None:
                lost.append(f"Region {region.id} is outside the image or does not cover any of it. Draw it again.")
            elif region.label in self._job.checked:
                searched.append(box)
            elif region.label in self._job.classes:
                self._append(item, _object(region, box, size, self._outlines), [region.label])
            else:
                self._append(item, _Drawn(region.id, box, box[2] * box[3], is_crowd=True), self._job.classes)
                if region.label not in self._job.ignore:
                    self.problems.append(f"{display_name(item)}: {foreign(region)}")
        self.problems += [f"{display_name(item)}: {sentence}" for sentence in lost]
        # What was drawn and cannot be read may lie anywhere, so that no place is known to be empty.
        if lost:
            return []
        return searched if any(region.label in self._job.checked for region in reading.regions) else None

    def _append(self, item: ItemRow, drawn: _Drawn, classes: Sequence[str]) -> None:
        for name in classes:
            entry: CocoAnnotation = {
                "id": len(self.annotations) + 1,
                "image_id": item.id,
                "category_id": self._numbers[name],
                "bbox": list(drawn.box),
                "area": drawn.area,
                "iscrowd": int(drawn.is_crowd),
                "region": drawn.region,
            }
            if drawn.segmentation is not None:
                entry["segmentation"] = drawn.segmentation
            self.annotations.append(entry)


def _image(item: ItemRow, size: Size | None, said: AnnotationRow | None) -> CocoImage:
    image: CocoImage = {
        "id": item.id,
        "file_name": display_name(item),
        "height": size[0] if size else None,
        "width": size[1] if size else None,
        "task": item.task_id,
        "split": item.split,
        "group": item.source_group,
        "duplicate_group": item.group_id,
        "state": item.state,
    }
    if said is not None:
        image["annotated_by"], image["annotated_at"] = said.completed_by, said.updated_at
    return image


def _size(files: ImageFiles, item: ItemRow, results: Sequence[Result] | None) -> Size | None:
    """The sides of an image; one without labels (None) is not fetched only to be left out with its size."""
    if item.width and item.height:
        return item.height, item.width
    if results is None:
        return None
    try:
        return image_size(files.of(item))
    except (ImageDecodeError, ImageError):
        return next(filter(None, map(stated_size, results)), None)


def _orientation(files: ImageFiles, item: ItemRow, results: Sequence[Result], size: Size) -> int:
    if drawn_upright(results, size):
        return 1
    try:
        return orientation_of(files.of(item))
    except (ImageDecodeError, ImageError):
        return 1


def _object(region: Region, box: list[float], size: Size, outlines: Outlines) -> _Drawn:
    shape = region.shape
    if isinstance(shape, Rectangle) and not shape.rotation:
        return _Drawn(region.id, box, box[2] * box[3])
    mask = mask_of(shape, size)
    return _Drawn(region.id, box, pixels(mask), segmentation=_outline(shape, mask, outlines))


def _outline(shape: Shape, mask: Runs, outlines: Outlines) -> Runs | list[list[float]]:
    if outlines == "runs" or (isinstance(shape, Brush) and outlines != "polygons"):
        return mask
    if isinstance(shape, Brush):
        corner, bitmap = trim(mask)
        points = outline(bitmap, corner, EXACT).points
    else:
        points = corners(shape)
    return [[round(float(value), 3) for value in points.ravel()]]


def _xywh(region: Region, size: Size) -> list[float] | None:
    box = bounding_box(region.shape, size)
    if box is None:
        return None
    x1, y1, x2, y2 = (float(value) for value in box)
    return [x1, y1, x2 - x1, y2 - y1]
