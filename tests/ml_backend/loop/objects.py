"""A PapLoop over a fake Label Studio in which small ellipses are boxed or outlined."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ml_backend.intake.ingest import ingest
from ml_backend.label_studio.config import parse_label_config
from ml_backend.label_studio.regions.results import Region, write_results
from ml_backend.label_studio.regions.shapes import Brush, Rectangle
from ml_backend.state.project_settings import ProjectSettings
from tests.fakes.progress import quiet
from tests.fakes.world import Studio
from tests.training.detection.blobs import CLASSES, draw
from training.data.detection_set import LabelledImage
from training.detection import plan as detection_plan

LABELS = "".join(f'<Label value="{name}"/>' for name in CLASSES)
IMAGE = '<View><Image name="image" value="$image"/>'
BOXES = f'{IMAGE}<RectangleLabels name="cells" toName="image">{LABELS}</RectangleLabels></View>'
OUTLINES = (
    f'{IMAGE}<BrushLabels name="cells" toName="image">{LABELS}</BrushLabels>'
    f'<PolygonLabels name="lines" toName="image">{LABELS}</PolygonLabels></View>'
)
SIZE = (96, 96)
SETTINGS = ProjectSettings(
    train_steps=90,
    validation_fraction=0.3,
    duplicate_radius=0.0,
    retrain_labels=1000,
    retrain_minutes=10_000,
)


@pytest.fixture(scope="session", autouse=True)
def small_objects() -> Any:
    """The network sees the ellipses at their own size, which is enough to learn them and takes a fifth of the time."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(detection_plan, "OBJECT_SIDE", 16.0)
        yield


@dataclass
class ObjectLoop(Studio):
    """A loop that knows where the objects are."""

    drawn: dict[int, LabelledImage] = field(default_factory=dict)

    def result(self, task_id: int) -> list[dict[str, Any]]:
        """What an expert draws on a task."""
        job = parse_label_config(self.store.projects.one(self.project).label_config)
        image, control = self.drawn[task_id], job.controls[0]
        regions = []
        for number, (box, label) in enumerate(zip(image.boxes.tolist(), image.classes.tolist(), strict=True)):
            x1, y1, x2, y2 = box
            assert image.masks is not None
            shape = Brush(image.masks[number]) if job.kind == "segmentation" else Rectangle(x1, y1, x2 - x1, y2 - y1)
            regions.append(Region(f"r{number}", CLASSES[label], shape, control))
        return write_results(regions, image.size)

    def draw(self, count: int) -> list[int]:
        """Draw on the next `count` tasks truthfully, in the order of the label stream; returns their ids."""
        client, done = self.services.label_studio, []
        for _ in range(count):
            task = client.next_task(self.project)
            assert task is not None
            client.create_annotation(task["id"], self.result(task["id"]), 1.0)
            done.append(int(task["id"]))
        return done


def write_blobs(folder: Path, count: int) -> dict[str, LabelledImage]:
    """Pictures with two to six ellipses; every eighth one is empty."""
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(5)
    images = [draw(rng, SIZE, 0 if n % 8 == 7 else 6, folder / f"blob{n:03d}.png") for n in range(count)]
    return {image.path.name: image for image in images}


def make_object_loop(root: Path, folder: Path, config: str, *, count: int = 24) -> ObjectLoop:
    """A project with `count` pictures and no label."""
    truth = write_blobs(folder, count)
    loop = ObjectLoop.begin(root, config, "Blobs")
    store = loop.store
    store.projects.save_settings(loop.project, SETTINGS)
    ingest(loop.services, loop.project, folder, stage=quiet)
    loop.drawn = {
        int(item.task_id): truth[Path(item.source).name]
        for item in store.items.all(loop.project)
        if item.task_id is not None
    }
    assert len(loop.drawn) == count
    return loop
