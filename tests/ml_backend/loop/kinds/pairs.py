"""A third kind of project, as small as it can be: do two images of a task show the same kind of cell?"""

from __future__ import annotations

import json
import sys
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import ModuleType
from typing import Any, ClassVar

import numpy as np
import pytest

from ml_backend.effort.kinds.classes import ProposingClasses
from ml_backend.label_studio.config import LabelingJob, parse
from ml_backend.label_studio.config.tied import Page
from ml_backend.label_studio.regions.choices import choice_result
from ml_backend.label_studio.regions.ids import region_id
from ml_backend.labels.classes import Annotated, Confirmed, consensus
from ml_backend.labels.project import ProjectLabels
from ml_backend.loop.kinds.base import Drawing, Judged, Prepared
from ml_backend.ordering.order import OrderRequest, ProjectOrder, order_project
from ml_backend.predictions.kinds.base import Drawer, Embed, Task
from ml_backend.predictions.kinds.classes import ChoiceDrawer
from ml_backend.services import Services
from ml_backend.state.files import DataDir
from ml_backend.state.models import Models
from ml_backend.state.records import ItemRow, RankingEntry, RunRow
from ml_backend.state.store import Store
from training.data.images import load_rgb
from training.encoders import Encoder
from training.files import CHECKPOINT
from training.types import FloatArray, Progress

CONFIG = (
    '<View><Image name="left" value="$image"/><Image name="right" value="$other"/>'
    '<Choices name="pair" toName="left" paploop="pair"><Choice value="same"/><Choice value="different"/></Choices>'
    "</View>"
)
SAME = "same"


def pair_job(page: Page) -> tuple[LabelingJob | None, list[str]]:
    """The reader of the config: two images, and a choice that is marked as being about both."""
    for tag in page.tags:
        if tag.name == "Choices" and tag.get("paploop") == "pair" and len(page.images) == 2:
            classes = tuple(choice.get("value") for choice in tag.children)
            return LabelingJob("pairs", tag.get("name"), "left", page.images["left"], classes), []
    return None, []


def distance(services: Services, item: ItemRow) -> float:
    """How far apart the mean colours of the two images are."""
    return colours_apart([str(services.images.of(item)), str(item.data["other"])])


def colours_apart(files: Sequence[str]) -> float:
    left, right = (load_rgb(Path(file)).reshape(-1, 3).mean(axis=0) for file in files)
    return float(np.abs(left - right).mean())


def limit_of(files: DataDir, run_id: int) -> float:
    """The whole model of a run."""
    return float(json.loads((files.run_dir(run_id) / CHECKPOINT / "model.json").read_text())["limit"])


class PairRule:
    counted: ClassVar[str] = "pairs compared"
    empty_says: ClassVar[bool] = False
    is_of_image: ClassVar[bool] = False

    def confirm(self, annotations: Iterable[Annotated], job: LabelingJob) -> Confirmed:
        return consensus(annotations, job)

    def count(self, confirmed: Confirmed, job: LabelingJob) -> dict[str, int]:
        counted = Counter(confirmed.labels.values())
        return {name: counted[name] for name in job.classes}


@dataclass
class PairDrawing:
    services: Services
    job: LabelingJob
    model_run: int | None
    drawn: int = 0

    @property
    def answered(self) -> Collection[int]:
        return set() if self.model_run is None else self.services.store.answers.items(self.model_run)

    def regions(self, entries: Sequence[RankingEntry]) -> Iterator[Sequence[Mapping[str, Any]]]:
        stored = None if self.model_run is None else self.services.store.answers.of(self.model_run)
        rows = {} if stored is None else dict(zip(stored.ids.tolist(), stored.probs, strict=True))
        for entry in entries:
            probs: FloatArray | None = rows.get(entry.item_id)
            if stored is None or probs is None:
                yield []
                continue
            best = int(probs.argmax())
            self.drawn += 1
            name = region_id(self.model_run or 0, entry.item_id)
            yield choice_result(self.job, stored.classes[best], float(probs[best]), name)

    def told(self) -> Mapping[str, Any]:
        return {"pairs": self.drawn}


class Pairs:
    """The model is one number: how far apart the colours of two images of one kind lie at most."""

    name: ClassVar[str] = "pairs"

    def prepare(
        self, services: Services, run: RunRow, labels: ProjectLabels, encoder: Encoder, before: int | None
    ) -> Prepared:
        told = [
            [labels.labels[item.task_id or -1], item.split, str(services.images.of(item)), str(item.data["other"])]
            for item in services.store.items.all(run.project_id, states=("ready",))
            if item.task_id in labels.labels
        ]
        if not told:
            return Prepared(0, {}, {}, "no pair is compared yet")
        folder = services.files.make(services.files.run_dir(run.id))
        (folder / "pairs.json").write_text(json.dumps(told))
        return Prepared(len(told), {}, {"goes_on_from": before})

    def train(self, folder: Path, progress: Progress) -> Mapping[str, Any]:
        apart: dict[bool, list[float]] = {True: [], False: []}
        for label, _, *files in json.loads((folder / "pairs.json").read_text()):
            apart[label == SAME].append(colours_apart(files))
        limit = (max(apart[True], default=0.0) + min(apart[False], default=255.0)) / 2
        (folder / CHECKPOINT).mkdir(exist_ok=True)
        (folder / CHECKPOINT / "model.json").write_text(json.dumps({"limit": float(limit)}))
        progress(1.0, "one number learned")
        return {"limit": float(limit)}

    def judge(self, services: Services, run: RunRow, before: int | None) -> Judged:
        told = json.loads((services.files.run_dir(run.id) / "pairs.json").read_text())
        limit = self._limit(services, run.id)
        right = sum((colours_apart(files) <= limit) == (label == SAME) for label, _, *files in told)
        return Judged(
            "promoted", f"{right} of {len(told)} pairs are told right.", {"pairs": len(told)}, {"right": right}
        )

    def can_read(self, services: Services, run_id: int) -> bool:
        return (services.files.run_dir(run_id) / CHECKPOINT / "model.json").is_file()

    def look(self, services: Services, run: RunRow, model_run: int, labels: ProjectLabels) -> None:
        limit = self._limit(services, model_run)
        items = services.store.items.all(run.project_id, states=("ready",))
        same = np.array([1 / (1 + np.exp(distance(services, item) - limit)) for item in items], dtype=np.float32)
        services.store.answers.save(
            model_run, [item.id for item in items], np.stack([same, 1 - same], axis=1), (SAME, "different")
        )

    def order(self, services: Services, project_id: int, labels: ProjectLabels, request: OrderRequest) -> ProjectOrder:
        known = {task: labels.job.classes.index(name) for task, name in labels.labels.items()}
        return order_project(services.store, services.files, project_id, replace(request, labels=known))

    def draw(
        self, services: Services, project_id: int, job: LabelingJob, model_run: int | None, offered: Mapping[int, Any]
    ) -> Drawing:
        return PairDrawing(services, job, model_run)

    def _limit(self, services: Services, run_id: int) -> float:
        return limit_of(services.files, run_id)


@dataclass(frozen=True)
class PairModel:
    limit: float
    classes: Sequence[str] = (SAME, "different")

    def answer(self, task: Task) -> FloatArray:
        assert task.item is not None
        apart = colours_apart([str(task.path()), str(task.item.data["other"])])
        same = 1 / (1 + np.exp(apart - self.limit))
        return np.array([same, 1 - same], dtype=np.float32)


class PairAnswers:
    """A pair is answered alone where no run has looked at it, and drawn as any choice is."""

    has_thresholds: ClassVar[bool] = False

    def load(self, models: Models, run: RunRow, embed: Embed) -> PairModel:
        return PairModel(limit_of(models.files, run.id))

    def drawer(self, store: Store, project_id: int, job: LabelingJob) -> Drawer:
        return ChoiceDrawer(job)


def register(patch: pytest.MonkeyPatch) -> None:
    """What a new file in each wing and a reader of the label config would do."""
    patch.setattr(parse, "READERS", (pair_job, *parse.READERS))
    for name, what, made in (
        ("ml_backend.labels.pairs", "RULE", PairRule()),
        ("ml_backend.predictions.kinds.pairs", "ANSWERS", PairAnswers()),
        ("ml_backend.effort.kinds.pairs", "PROPOSING", ProposingClasses()),
        ("ml_backend.loop.kinds.pairs.kind", "KIND", Pairs()),
    ):
        module = ModuleType(name)
        setattr(module, what, made)
        patch.setitem(sys.modules, name, module)
