"""The types that models, encoders and evaluation share."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.floating]
IntArray = NDArray[np.int64]

Progress = Callable[[float, str], None]
"""Called with a fraction in [0, 1] and a short sentence."""

Json = dict[str, Any]
"""A JSON object that training wrote itself and reads back; whoever takes its fields says which of them is damaged."""

Metrics = Mapping[str, Any]
"""JSON-serializable measurements of one model on one set."""


class TrainingError(RuntimeError):
    """Training or prediction cannot continue; the message says what happened and what to do next."""


@dataclass(frozen=True)
class Detections:
    """The regions of one image; an image-level label is one full-image region.

    Attributes:
        size: `(height, width)` px.
        boxes: `(r, 4)` float32, x1 y1 x2 y2 px.
        probs: `(members, r, classes)` float32, rows sum to 1: the whole class distribution.
        masks: one COCO run-length dict (`size`, `counts`) or polygon list per region, or None.
        columns: further measurements by name, each with one entry per region on its first axis, or on its second after
            the members.
    """

    size: tuple[int, int]
    boxes: FloatArray
    probs: FloatArray
    masks: Sequence[Any] | None = None
    columns: Mapping[str, FloatArray] = field(default_factory=dict)


@dataclass(frozen=True)
class Sample:
    """One image of a manifest.

    Attributes:
        id: the caller's identifier.
        path: the image file.
        label: class name, or None when unlabeled.
        split: "train" or "validation".
        group: the leak-proof group (patient, slide, source image) the item belongs to.
        vector_row: row of the image in the manifest's embedding matrix, or None.
    """

    id: int
    path: Path
    label: str | None
    split: str
    group: str
    vector_row: int | None = None
