"""The rows of the database as frozen values; fields follow the columns of `tables`.

Times are unix seconds, except `updated_at` of an annotation, which is Label Studio's ISO string.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Required, TypedDict

from ml_backend.state.arrays import FloatArray
from ml_backend.state.free_form import Json
from ml_backend.state.provenance import Provenance
from ml_backend.state.run_metrics import Metrics
from ml_backend.state.run_request import Request

from .tables import OPEN_STATES


@dataclass(frozen=True)
class ProjectRow:
    """One Label Studio project; `settings` is read through `Store.settings`."""

    id: int
    title: str
    label_config: str
    active_run_id: int | None
    active_version: str
    reconciled_until: str
    reconciled_at: float
    gone_at: float | None
    drift: str
    created_at: float


@dataclass(frozen=True)
class NewItem:
    """An image to be recorded; `source` is its identity within the project."""

    source: str
    task_id: int | None = None
    content_hash: str = ""
    source_group: str = ""
    group_id: int | None = None
    split: str = ""
    width: int = 0
    height: int = 0
    encoder: str = ""
    vector_row: int | None = None
    state: str = "new"
    reason: str = ""
    data: Json = field(default_factory=dict)
    meta: Json = field(default_factory=dict)


class ItemChange(TypedDict, total=False):
    """Columns of one image to set, and the number of that image."""

    id: Required[int]
    task_id: int | None
    source: str
    content_hash: str
    source_group: str
    group_id: int | None
    split: str
    width: int
    height: int
    encoder: str
    vector_row: int | None
    state: str
    reason: str
    data: Json
    meta: Json


@dataclass(frozen=True)
class ItemRow:
    """One image of a project; `width` and `height` in px."""

    id: int
    project_id: int
    task_id: int | None
    source: str
    content_hash: str
    source_group: str
    group_id: int | None
    split: str
    width: int
    height: int
    encoder: str
    vector_row: int | None
    state: str
    reason: str
    data: Json
    meta: Json
    created_at: float


@dataclass(frozen=True)
class AnnotationRow:
    """One annotation as Label Studio last showed it; the fields after `updated_at` are filled by the store."""

    id: int
    task_id: int
    completed_by: int | None = None
    result: Sequence[object] = ()
    was_cancelled: bool = False
    ground_truth: bool = False
    lead_time: float | None = None
    parent_prediction: int | None = None
    updated_at: str = ""
    deleted: bool = False
    change: int = 0
    changed_at: float = 0.0
    project_id: int = 0

    def label(self, *, empty_counts: bool = False) -> tuple[list[object], bool] | None:
        """What it teaches: result and ground-truth flag, or None when it teaches nothing.

        Args:
            empty_counts: where objects are drawn, an annotation without any says that there are none.
        """
        if self.deleted or self.was_cancelled or not (self.result or empty_counts):
            return None
        return list(self.result), bool(self.ground_truth)


@dataclass(frozen=True)
class EventRow:
    """A webhook as it arrived; open while `processed_at` is None, closed but not applied where `set_aside`."""

    id: int
    project_id: int
    action: str
    body: Json
    received_at: float
    processed_at: float | None
    error: str
    tries: int
    next_try_at: float
    set_aside: bool


@dataclass(frozen=True)
class RunRow:
    """One training (or ranking) cycle."""

    id: int
    project_id: int
    state: str
    kind: str
    reason: str
    decision: str
    decision_reason: str
    error: str
    attempts: int
    waits: int
    next_try_at: float
    seed: int
    change: int
    request: Request
    metrics: Metrics
    progress: float
    message: str
    created_at: float
    finished_at: float | None

    @property
    def is_open(self) -> bool:
        """Whether the run still has steps to do."""
        return self.state in OPEN_STATES


@dataclass(frozen=True)
class WishRow:
    """A run that was asked for while another was open, and that follows it."""

    project_id: int
    kind: str
    reason: str
    asked_at: float


@dataclass(frozen=True)
class RankingRow:
    """One order of a project's items; `version` is its model_version in Label Studio."""

    id: int
    project_id: int
    run_id: int | None
    opened_by: int
    version: str
    state: str
    strategy: str
    provenance: Provenance
    created_at: float


@dataclass(frozen=True)
class RankingEntry:
    """The place of one item: `score` is the position mapped to [0, 1], 0 = label first."""

    item_id: int
    position: int
    score: float
    utility: float
    why: str = ""


@dataclass(frozen=True)
class Served:
    """What `/predict` needs of one task.

    Attributes:
        item_id: the item behind the task.
        score: place in the active ranking mapped to [0, 1]; 1.0 (last) when the item has no place.
        position: place in the active ranking, or None.
        probs: `(classes,)` float32 of the run behind the ranking, or None when nothing is stored.
        run_id: that run, or None at cold start.
        version: model_version of the active ranking, empty when there is none.
        found: what the detector of that run said, as `ml_backend.predictions.packing` writes it, or None.
        classes: names of `probs`, in their order; empty where there are none.
    """

    item_id: int
    score: float
    position: int | None
    probs: FloatArray | None
    run_id: int | None
    version: str
    found: bytes | None = None
    classes: tuple[str, ...] = ()


@dataclass(frozen=True)
class EffortRow:
    """What happened to the regions that an annotation began with.

    Attributes:
        annotation_id: Label Studio's annotation id.
        updated_at: its `updated_at` when it was looked at.
        run_id: the run whose model proposed the regions, None where nothing was proposed or nobody knows.
        start: "proposal": regions were shown; "nothing": drawn by hand from an empty image; "elsewhere": it did not
            come from the editor (an import, a script).
        accepted: regions left as they were shown.
        moved: regions with another place or shape, same label.
        relabeled: regions with another label, moved or not.
        added: regions drawn by hand.
        deleted: shown regions that are gone; None when it is not known any more what was shown.
        seconds: time in the editor (`lead_time`), or None.
    """

    annotation_id: int
    updated_at: str
    run_id: int | None
    start: str
    accepted: int
    moved: int
    relabeled: int
    added: int
    deleted: int | None
    seconds: float | None
