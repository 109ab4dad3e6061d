"""The labels of one image -> Label Studio's results for a project's labeling config."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from ml_backend.intake.label_files.reading import Entry
from ml_backend.label_studio.config import LabelingJob
from ml_backend.label_studio.regions import Result
from ml_backend.label_studio.regions.choices import choice_result
from ml_backend.label_studio.regions.results import Region, write_results
from ml_backend.label_studio.regions.shapes import Rectangle
from ml_backend.predictions.packing import Found
from ml_backend.predictions.rendering import Style, shown
from training.data.detection_set import LabelledImage
from training.data.outlines import outlined_by_boxes
from training.data.reading import vouches
from training.types import Detections

PREFIX: Final = "import-"
"""Every region of an import has an id that begins so."""
EXACT: Final = 0.002
"""Share of IoU that an imported outline may lose as a polygon."""


@dataclass
class Losses:
    """What the labeling config cannot express.

    Attributes:
        classes: labels it lacks, with the number of regions or images.
        ignored: regions to be ignored, where it has no label that says so.
        unchecked: images of which only parts were searched, where it has no label that says so.
    """

    classes: Counter[str] = field(default_factory=Counter)
    ignored: int = 0
    unchecked: int = 0

    def sentences(self) -> list[str]:
        """One each."""
        said = [
            f"The labeling config has no label {name!r}; {count} left out. Add the label to the config and "
            "import again."
            for name, count in sorted(self.classes.items())
        ]
        if self.ignored:
            said.append(
                f"{self.ignored} regions to be ignored were left out because the labeling config has no label "
                "'ignore'. Add one and import again."
            )
        if self.unchecked:
            said.append(
                f"{self.unchecked} images were searched only in parts, but the labeling config has no label "
                "'checked'. Add one and import again."
            )
        return said


@dataclass(frozen=True)
class Said:
    """The labels of one image in Label Studio's format.

    Attributes:
        results: the regions, or the class.
        whole: whether these are all there is, so that an annotation of them says the truth. Where not, an unmarked
            place may hold what was left out.
    """

    results: list[Result]
    whole: bool = True


def results_of(entry: Entry, classes: Sequence[str], job: LabelingJob, shown_as: str, losses: Losses) -> Said | None:
    """The results for one image; None where its class is not in the labeling config.

    Args:
        entry: its labels.
        classes: names of the class numbers.
        job: what the labeling config asks.
        shown_as: project setting of that name: how objects are drawn.
        losses: what cannot be said is counted here.
    """
    if entry.image is None:
        label = str(entry.label)
        if label not in job.classes:
            losses.classes[label] += 1
            return None
        return Said(choice_result(job, label, None, f"{PREFIX}{_digest(entry.name, label)}"))
    image = outlined_by_boxes(entry.image)
    style = Style(thresholds=0.5, shown_as=shown_as, tolerance=EXACT)
    key = _digest(entry.name, image.boxes.tolist(), image.classes.tolist(), image.masks)
    written = shown(job, _found(image, classes), style, lambda index: f"{PREFIX}{key}-{index}").results
    results: list[Result] = [{name: value for name, value in result.items() if name != "score"} for result in written]
    special, is_whole = _special(image, classes, job, key, losses)
    return Said(results + special, is_whole)


def _found(image: LabelledImage, classes: Sequence[str]) -> Found:
    """The objects as a detector that is sure of them would give them."""
    probs = np.zeros((1, len(image.boxes), len(classes) + 1), dtype=np.float32)
    probs[0, np.arange(len(image.boxes)), image.classes] = 1
    return Found(Detections(image.size, image.boxes, probs, image.masks), tuple(classes))


def _special(
    image: LabelledImage, classes: Sequence[str], job: LabelingJob, key: str, losses: Losses
) -> tuple[list[Result], bool]:
    """Boxes to be ignored, and boxes that were searched, with the labels that say so; whether all could be said."""
    foreign = [classes[number] not in job.classes for number in image.classes.tolist()]
    losses.classes.update(classes[number] for number in image.classes.tolist() if classes[number] not in job.classes)
    # An object whose class the config lacks is an object all the same, so its place is not a background.
    places = [*image.ignore.tolist(), *image.boxes[np.array(foreign, dtype=bool)].tolist()]
    ignored = _boxes(places, image, job, job.ignore, f"{PREFIX}{key}-ignore")
    losses.ignored += len(image.ignore) if ignored is None else 0
    checked = [] if image.checked is None else image.checked.tolist()
    searched = _boxes(checked, image, job, job.checked, f"{PREFIX}{key}-checked")
    losses.unchecked += bool(checked) and searched is None
    is_whole = vouches(image) and ignored is not None and searched is not None
    return [*(ignored or []), *(searched or [])], is_whole


def _boxes(
    boxes: Sequence[Sequence[float]], image: LabelledImage, job: LabelingJob, labels: frozenset[str], name: str
) -> list[Result] | None:
    control = next(
        (form.control for form in job.forms if form.is_one_tag_of_boxes and labels & set(form.control.classes)),
        None,
    )
    if control is None:
        return None if boxes else []
    label = next(each for each in control.classes if each in labels)
    regions = [
        Region(f"{name}{number}", label, Rectangle(x1, y1, x2 - x1, y2 - y1), control)
        for number, (x1, y1, x2, y2) in enumerate(boxes)
    ]
    return write_results(regions, image.size)


def _digest(*values: object) -> str:
    text = json.dumps(values, sort_keys=True, default=str, ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()[:10]
