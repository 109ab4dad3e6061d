"""Smart tools: the expert draws a box or a point, and gets the outline of the object there.

The project's detector computes it once one was promoted and has been loaded; until then an outline is cut out by
color, so that a new project saves its experts work from the first image on. The region's notes say which of them it
was.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np

from ml_backend.errors import BadRequest, NotFound, PapLoopError
from ml_backend.images.files import ImageFiles
from ml_backend.images.items import task_image
from ml_backend.label_studio.bodies.tasks import task_data, task_number
from ml_backend.label_studio.config import LabelingJob, parse_label_config
from ml_backend.label_studio.config.job import Form
from ml_backend.label_studio.regions import Result
from ml_backend.label_studio.regions.objects import choose_form, regions_of
from ml_backend.label_studio.regions.prompt import Prompt, as_answer, drawn_regions, fitting, read_prompt
from ml_backend.label_studio.regions.results import write_results
from ml_backend.label_studio.regions.two_tags import in_two
from ml_backend.predictions.smart.detectors import Detectors
from ml_backend.predictions.unanswered import Unanswered
from ml_backend.state.records import ProjectRow
from ml_backend.state.rows.items import ItemRows
from training.data.images import RGBArray, load_rgb
from training.detection.colour_outline import at_point, in_box
from training.geometry.runs import trim
from training.types import Detections, FloatArray, TrainingError

if TYPE_CHECKING:
    from training.detection.detectron2.rcnn import Detector

log = logging.getLogger(__name__)

PATIENCE: Final = 0.7
"""Seconds that an answer waits for a detector that is still loading or busy with another expert."""
KEPT_PIXELS: Final = 30_000_000
"""px up to which the last image stays decoded: experts point at many objects of one image."""


@dataclass(frozen=True)
class _Answer:
    found: Detections
    classes: tuple[str, ...]
    author: str


class SmartTool:
    """Serves the editor's smart tools; one per web process.

    Args:
        items: images by task.
        images: their local files.
        max_pixels: px of the largest image that is opened.
        detectors: those of the projects.
        unanswered: told why there is no outline.
    """

    def __init__(
        self,
        items: ItemRows,
        images: ImageFiles,
        max_pixels: int,
        *,
        detectors: Detectors,
        unanswered: Unanswered,
    ) -> None:
        self._items = items
        self._images = images
        self._max_pixels = max_pixels
        self._detectors = detectors
        self._unanswered = unanswered
        self._lock = threading.Lock()
        self._last: tuple[tuple[Path, int], RGBArray] | None = None

    def outline(
        self, project: ProjectRow, task: object, context: object, label_config: str = ""
    ) -> Sequence[Result] | None:
        """The region for the place that the expert pointed at; none with a line in the log where there is none.

        Args:
            project: the project.
            task: task object as Label Studio sends it.
            context: `params.context` of the request.
            label_config: the label config in the request; empty = the one we know.

        Returns:
            At most one result; None where the labeling config draws no regions, so that there is nothing to outline.
        """
        note = self._unanswered.noting(project.id)
        try:
            job = parse_label_config(label_config or project.label_config)
            return self._outline(project, task, context, job) if job.finds_objects else None
        except (PapLoopError, TrainingError, OSError) as error:
            note("outline", f"The smart tool found no outline: {error}", 1)
        except Exception:
            log.exception("unexpected error for a smart tool in project %d", project.id)
            note("unexpected", "The smart tool had an unexpected error. Check the log and report it.", 1)
        return []

    def _outline(self, project: ProjectRow, task: object, context: object, job: LabelingJob) -> list[Result]:
        regions = drawn_regions(context, job.to_name)
        pixels = self._pixels(self._file(project, task, job.data_key))
        size = (pixels.shape[0], pixels.shape[1])
        prompt = read_prompt(regions, size)
        forms = fitting(job.forms, prompt)
        return _results(self._found(project, pixels, prompt, forms), prompt, forms, size)

    def _found(self, project: ProjectRow, pixels: RGBArray, prompt: Prompt, forms: list[Form]) -> _Answer:
        detector = self._detectors.of_run(project.active_run_id, PATIENCE)
        if detector is not None and self._lock.acquire(timeout=PATIENCE):
            try:
                return _asked(detector, pixels, prompt, f"the detector of run {project.active_run_id}")
            except TrainingError as error:
                log.info("a smart tool uses color instead: %s", error)
            finally:
                self._lock.release()
        return _cut_out(pixels, prompt, forms)

    def _file(self, project: ProjectRow, task: object, key: str) -> Path:
        if not isinstance(task, Mapping):
            raise BadRequest("The request names no task. Open the image again.", code="request.no_tasks")
        number = task_number(task)
        known = self._items.by_task(project.id, [number]) if number is not None else {}
        if number in known:
            return self._images.of(known[number])
        data = task_data(task)
        image = "" if data is None else task_image(data, key)
        if not image:
            raise NotFound(f"The task has no image under {key!r}; check its data.", code="image.none_in_task")
        return self._images.local_path(image, task_id=number)

    def _pixels(self, path: Path) -> RGBArray:
        mark = path, path.stat().st_mtime_ns
        last = self._last
        if last is not None and last[0] == mark:
            return last[1]
        pixels = load_rgb(path, max_pixels=self._max_pixels)
        self._last = (mark, pixels) if pixels.shape[0] * pixels.shape[1] <= KEPT_PIXELS else None
        return pixels


def _asked(detector: Detector, pixels: RGBArray, prompt: Prompt, author: str) -> _Answer:
    """The detector's outline, or its box with the outline cut out by color where it has learned boxes alone."""
    if prompt.box is not None:
        found = detector.inside(pixels, np.array(prompt.box, dtype=np.float32))
    else:
        found = detector.at(pixels, prompt.inside, prompt.outside)
    classes = detector.plan.classes
    if found.masks is not None:
        return _Answer(found, classes, author)
    x1, y1, x2, y2 = (float(side) for side in found.boxes[0])
    cut = in_box(pixels, prompt.box or (x1, y1, x2, y2), prompt.inside, prompt.outside)
    return _Answer(
        Detections(found.size, found.boxes, found.probs, [cut.mask]), classes, f"{author} and by {cut.method}"
    )


def _cut_out(pixels: RGBArray, prompt: Prompt, forms: list[Form]) -> _Answer:
    if prompt.box is not None:
        cut = in_box(pixels, prompt.box, prompt.inside, prompt.outside)
    else:
        cut = at_point(pixels, prompt.inside, prompt.outside)
    classes = tuple(dict.fromkeys(name for form in forms for name in form.control.classes))
    probs = np.zeros((1, 1, len(classes) + 1), dtype=np.float32)
    found = Detections((pixels.shape[0], pixels.shape[1]), np.zeros((1, 4), np.float32), probs, [cut.mask])
    return _Answer(found, classes, cut.method)


def _results(answer: _Answer, prompt: Prompt, forms: list[Form], size: tuple[int, int]) -> list[Result]:
    likely = answer.found.probs.mean(axis=0)[0, : len(answer.classes)]
    label = prompt.label or _likeliest(likely, answer.classes, forms)
    control = choose_form([form.control for form in forms if label in form.control.classes], answer.found).control
    masks = answer.found.masks or ()
    (x, y), bitmap = trim(masks[0])
    box = np.array([[x, y, x + bitmap.shape[1], y + bitmap.shape[0]]], dtype=np.float32)
    # Whatever the model takes it for, the expert's label stays.
    sure = Detections(size, box, np.ones((1, 1, 1), dtype=np.float32), masks)
    results = write_results(regions_of(sure, (label,), control, lambda _: f"paploop-smart-{prompt.id}"), size)
    score = float(likely[answer.classes.index(label)]) if likely.any() and label in answer.classes else None
    drawn_by = next(form.drawn_by for form in forms if form.control == control)
    note = f"PapLoop smart tool: outline by {answer.author}."
    return [part for result in results for part in in_two(as_answer(result, prompt, note, score), drawn_by)]


def _likeliest(likely: FloatArray, classes: tuple[str, ...], forms: list[Form]) -> str:
    """The label for a drawing without one: the model's, or the only one there is.

    Raises:
        BadRequest: nothing decides.
    """
    offered = list(dict.fromkeys(name for form in forms for name in form.control.classes))
    known = [(float(likely[index]), name) for index, name in enumerate(classes) if name in offered]
    if known and max(known)[0] > 0:
        return max(known)[1]
    if len(offered) == 1:
        return offered[0]
    raise BadRequest(
        "No label is selected and no model recognizes the object yet. Select a label, then draw.", code="smart.no_label"
    )
