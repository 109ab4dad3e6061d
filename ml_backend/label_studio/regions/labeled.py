"""The labeled results of one annotation or prediction, with as little geometry as possible."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from ml_backend.errors import BadRequest
from ml_backend.label_studio.config import LabelingJob
from ml_backend.label_studio.regions import Result
from ml_backend.label_studio.regions.result import control_of, label_in
from training.types import FloatArray

MOST = 1_000_000
"""Assumed size, px, of an image whose size is unknown; only ratios matter."""


@dataclass(frozen=True)
class Labeled:
    """One labeled result of a control that PapLoop drives.

    Attributes:
        id: of its region, empty where it has none.
        label: class name.
        origin: what Label Studio's editor noted about where the region came from; empty where it noted nothing.
        result: the whole of it.
    """

    id: str
    label: str
    origin: str
    result: Result


def labeled(results: Iterable[Any], job: LabelingJob) -> list[Labeled]:
    """The results that say a class; those of other controls and those without a label are left out."""
    types = job.types
    found = []
    for result in results:
        kind = types.get(control_of(result)) if isinstance(result, Mapping) else None
        if kind is None or result.get("type") != kind:
            continue
        label = label_in(result, kind, "")
        if label:
            found.append(Labeled(str(result.get("id", "")), label, str(result.get("origin") or ""), result))
    return found


def box_in(result: Result) -> FloatArray | None:
    """`(4,)` px around its shape, in an image of `MOST` px a side where it names no sides; None without a shape."""
    # Imported late: shapes need OpenCV, and regions made in the editor never come here.
    from ml_backend.label_studio.regions.shapes import bounding_box, shape_of

    height, width = result.get("original_height"), result.get("original_width")
    size = (height, width) if isinstance(height, int) and isinstance(width, int) else (MOST, MOST)
    try:
        return bounding_box(shape_of(result["value"], size), size)
    except (BadRequest, KeyError):
        return None
