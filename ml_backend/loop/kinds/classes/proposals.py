"""Stored class probabilities, and labels of near-duplicates -> the choice that annotators see."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from ml_backend.duplicates.review import Offer
from ml_backend.label_studio.config import LabelingJob
from ml_backend.label_studio.regions.choices import choice_result
from ml_backend.label_studio.regions.ids import region_id
from ml_backend.loop.kinds.base import Regions
from ml_backend.predictions.kinds.classes import ChoiceDrawer
from ml_backend.services import Services
from ml_backend.state.class_probs import ClassProbs
from ml_backend.state.records import RankingEntry
from strategies.base import FloatArray


@dataclass(frozen=True)
class ProposedClasses:
    """See `ml_backend.loop.kinds.base.Drawing`; fields are the arguments of `Kind.draw`."""

    services: Services
    job: LabelingJob
    model_run: int | None
    offered: Mapping[int, Offer]

    @cached_property
    def _stored(self) -> ClassProbs | None:
        return None if self.model_run is None else self.services.store.answers.of(self.model_run)

    @cached_property
    def _rows(self) -> Mapping[int, FloatArray]:
        stored = self._stored
        return {} if stored is None else dict(zip(stored.ids.tolist(), stored.probs, strict=True))

    @property
    def answered(self) -> Collection[int]:
        """Items that the model has a prediction for."""
        return self._rows.keys()

    def regions(self, entries: Sequence[RankingEntry]) -> Iterator[Regions]:
        """One choice per entry, or none."""
        draw = ChoiceDrawer(self.job)
        classes = () if self._stored is None else self._stored.classes
        for item in (entry.item_id for entry in entries):
            if item in self.offered:
                yield choice_result(self.job, self.offered[item].label, 1.0, region_id(0, item))
            else:
                yield draw.of_answer(classes, self._rows.get(item), self.model_run or 0, item)

    def told(self) -> Mapping[str, Any]:
        """Nothing: a choice has only one form."""
        return {}
