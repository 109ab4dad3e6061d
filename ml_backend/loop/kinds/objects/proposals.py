"""Stored predictions of a detector -> the objects that annotators see."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property, partial
from typing import Any

from ml_backend.effort.choosing import renew_thresholds
from ml_backend.label_studio.config import LabelingJob
from ml_backend.label_studio.regions.ids import region_id
from ml_backend.loop.kinds.base import Regions
from ml_backend.predictions.packing import unpack
from ml_backend.predictions.rendering import shown, style_of
from ml_backend.predictions.thresholds import NOTHING_SHOWN
from ml_backend.services import Services
from ml_backend.state.records import RankingEntry

READ_AT_ONCE = 64


@dataclass(frozen=True)
class ProposedObjects:
    """See `ml_backend.loop.kinds.base.Drawing`; the first fields are arguments of `Kind.draw`.

    Attributes:
        drawn: how many images were drawn for which reason.
        shown: how many objects were drawn on each item.
    """

    services: Services
    project_id: int
    job: LabelingJob
    model_run: int | None
    drawn: Counter[str] = field(default_factory=Counter)
    shown: Counter[int] = field(default_factory=Counter)

    @cached_property
    def answered(self) -> Collection[int]:
        """Images that the detector has predicted."""
        return set() if self.model_run is None else self.services.store.detections.items(self.model_run)

    def regions(self, entries: Sequence[RankingEntry]) -> Iterator[Regions]:
        """The objects above their thresholds; nothing if no detector has predicted the image."""
        if self.model_run is not None:
            renew_thresholds(self.services.store, self.services.files, self.project_id, self.model_run)
        style = style_of(self.services.store, self.project_id, self.model_run)
        nothing = "held back" if style.thresholds == NOTHING_SHOWN else "no object has a high enough score"
        for start in range(0, len(entries), READ_AT_ONCE):
            part = entries[start : start + READ_AT_ONCE]
            stored = self._stored([entry.item_id for entry in part])
            for entry in part:
                content = stored.get(entry.item_id)
                if content is None or self.model_run is None:
                    yield []
                    continue
                name = partial(region_id, self.model_run, entry.item_id)
                answer = shown(self.job, unpack(content), style, name)
                self.drawn[answer.reason or nothing] += 1
                self.shown[entry.item_id] += len({result["id"] for result in answer.results})
                yield answer.results

    def _stored(self, items: Sequence[int]) -> Mapping[int, bytes]:
        return {} if self.model_run is None else self.services.store.detections.of(self.model_run, items)

    def told(self) -> Mapping[str, Any]:
        """How many objects are shown, and on how many images they were drawn for which reason."""
        return {"shown": {"regions": self.shown.total(), "drawn": dict(self.drawn)}}
