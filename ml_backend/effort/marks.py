"""Label Studio's results, and what a model proposed -> `Mark`s, with as little geometry as the comparison needs."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from ml_backend.effort.compare import Box, Mark
from ml_backend.label_studio.config import LabelingJob
from ml_backend.label_studio.config.job import CHOICES
from ml_backend.label_studio.regions.labeled import box_in, labeled
from ml_backend.label_studio.regions.result import type_of


def marks_of(results: Iterable[object], job: LabelingJob) -> list[Mark]:
    """The labeled regions of an annotation or a prediction; other results and regions without a label are left out."""
    marks = []
    for each in labeled(results, job):
        is_whole = type_of(each.result) == CHOICES
        box = None if each.origin or is_whole else box_in(each.result)
        edges = None if box is None else four(box.tolist())
        marks.append(Mark(each.id, each.label, edges, each.origin, whole=is_whole))
    return marks


def four(values: Sequence[float]) -> Box:
    """The edges of a box, px."""
    x1, y1, x2, y2 = (float(value) for value in values)
    return x1, y1, x2, y2
