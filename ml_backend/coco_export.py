"""The confirmed objects of a project as COCO, with what PapLoop knows about each image in fields of its own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Literal

from ml_backend.detection.confirmed import confirm
from ml_backend.detection.image_objects import drawn_upright
from ml_backend.errors import ImageError
from ml_backend.geometry.results import Region, read_results
from ml_backend.geometry.shapes import Brush, Ellipse, Polygon, Rectangle, Size, bounding_box, corners, mask_of
from ml_backend.items import display_name
from ml_backend.label_config import LabelingJob
from ml_backend.services import Services
from ml_backend.state.records import AnnotationRow, ItemRow
from training.data.images import ImageDecodeError, image_size, orientation_of
from training.geometry.polygons import outline
from training.geometry.runs import pixels, trim

Outlines = Literal["auto", "polygons", "runs"]
EXACT = 0.002
"""Share of IoU that a brush mask may lose as a polygon."""


def coco_of(services: Services, project_id: int, job: LabelingJob, outlines: Outlines = "auto") -> dict[str, Any]:
    """All images with their confirmed objects.

    Images carry `task`, `split`, `group` (patient or slide), `duplicate_group`, `state`, and `left_out` where there is
    no confirmed label; `checked` where only parts were searched. Annotations carry Label Studio's region id, and
    regions to be ignored are crowds.

    Args:
        services: the parts of the process.
        project_id: Label Studio's project id, in which objects are drawn.
        job: its labeling job.
        outlines: "auto": as they were drawn, brush as runs; "polygons" or "runs": all of them so.
    """
    store = services.store
    project = store.project(project_id)
    rows = store.annotations(project_id)
    confirmed = confirm(rows, job)
    chosen = {row.task_id: row for row in rows if not row.was_cancelled}
    images: list[dict[str, Any]] = []
    annotations: list[dict[str, Any]] = []
    problems: list[str] = []
    for item in store.items(project_id):
        results = confirmed.results.get(item.task_id or -1)
        size = _size(services, item, results or [])
        image = _image(item, size, confirmed.left_out.get(item.task_id or -1), chosen.get(item.task_id or -1))
        images.append(image)
        if results is not None and size is not None:
            regions = _regions(services, item, results, job, size, problems)
            checked = [_xywh(region, size) for region in regions if region.label in job.checked]
            if any(checked):
                image["checked"] = [box for box in checked if box]
            image["labelled"] = True
            for region in regions:
                entry = _annotation(region, job, size, outlines)
                if entry is not None:
                    annotations.append({"id": len(annotations) + 1, "image_id": item.id, **entry})
    return {
        "info": {
            "description": project.title,
            "date_created": datetime.fromtimestamp(services.clock(), UTC).isoformat(timespec="seconds"),
            "paploop": {"project": project_id, "model_run": project.active_run_id, "version": project.active_version},
        },
        "images": images,
        "annotations": annotations,
        "categories": [{"id": number, "name": name} for number, name in enumerate(job.classes, start=1)],
        "problems": problems,
    }


def _image(item: ItemRow, size: Size | None, left_out: str | None, said: AnnotationRow | None) -> dict[str, Any]:
    image: dict[str, Any] = {
        "id": item.id,
        "file_name": display_name(item),
        "height": size[0] if size else 0,
        "width": size[1] if size else 0,
        "task": item.task_id,
        "split": item.split,
        "group": item.source_group,
        "duplicate_group": item.group_id,
        "state": item.state,
        "labelled": False,
    }
    if left_out or item.reason:
        image["left_out"] = left_out or item.reason
    if said is not None:
        image |= {"annotated_by": said.completed_by, "annotated_at": said.updated_at}
    return image


def _size(services: Services, item: ItemRow, results: Sequence[Mapping[str, Any]]) -> Size | None:
    if item.width and item.height:
        return item.height, item.width
    if not results:
        return None
    try:
        return image_size(services.image_path(item))
    except (ImageDecodeError, ImageError):
        stated = next((r for r in results if r.get("original_width") and r.get("original_height")), None)
        return (int(stated["original_height"]), int(stated["original_width"])) if stated else None


def _regions(
    services: Services,
    item: ItemRow,
    results: Sequence[Mapping[str, Any]],
    job: LabelingJob,
    size: Size,
    problems: list[str],
) -> list[Region]:
    reading = read_results(results, job.controls, size, orientation=_orientation(services, item, results, size))
    problems += [f"{display_name(item)}: {sentence}" for sentence in reading.left_out]
    return list(reading.regions)


def _orientation(services: Services, item: ItemRow, results: Sequence[Mapping[str, Any]], size: Size) -> int:
    if drawn_upright(results, size):
        return 1
    try:
        return orientation_of(services.image_path(item))
    except (ImageDecodeError, ImageError):
        return 1


def _annotation(region: Region, job: LabelingJob, size: Size, outlines: Outlines) -> dict[str, Any] | None:
    box = _xywh(region, size)
    if box is None or region.label in job.checked:
        return None
    entry: dict[str, Any] = {"bbox": box, "area": box[2] * box[3], "iscrowd": 0, "region": region.id}
    if region.label in job.ignore:
        return {**entry, "category_id": 1, "iscrowd": 1}
    if region.label not in job.classes:
        return None
    entry["category_id"] = job.classes.index(region.label) + 1
    upright = isinstance(region.shape, Rectangle) and not region.shape.rotation
    return entry if upright else {**entry, **_outline(region.shape, size, outlines)}


def _outline(shape: Rectangle | Ellipse | Polygon | Brush, size: Size, outlines: Outlines) -> dict[str, Any]:
    if isinstance(shape, Brush) and outlines != "polygons":
        return {"segmentation": shape.mask, "area": pixels(shape.mask)}
    mask = mask_of(shape, size)
    if outlines == "runs":
        return {"segmentation": mask, "area": pixels(mask)}
    if isinstance(shape, Brush):
        corner, bitmap = trim(mask)
        points = outline(bitmap, corner, EXACT).points
    else:
        points = corners(shape)
    return {"segmentation": [[round(float(value), 3) for value in points.ravel()]], "area": pixels(mask)}


def _xywh(region: Region, size: Size) -> list[float] | None:
    box = bounding_box(region.shape, size)
    if box is None:
        return None
    x1, y1, x2, y2 = (float(value) for value in box)
    return [x1, y1, x2 - x1, y2 - y1]
