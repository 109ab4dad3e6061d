"""A project over the fake Label Studio with a few images, and labels to give them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from ml_backend.intake.label_files.importing import ImportReport, import_labels
from tests.fakes.progress import quiet
from tests.fakes.world import Studio
from training.data.coco import write_json

IMAGE = '<View><Image name="image" value="$image"/>'
BOXES = (
    f'{IMAGE}<RectangleLabels name="box" toName="image">'
    '<Label value="Cell"/><Label value="ignore"/></RectangleLabels></View>'
)
OUTLINES = (
    f'{IMAGE}<PolygonLabels name="poly" toName="image">'
    '<Label value="Cell"/><Label value="Nucleus"/></PolygonLabels></View>'
)
CLASSES = f'{IMAGE}<Choices name="choice" toName="image"><Choice value="Cat"/><Choice value="Dog"/></Choices></View>'


@dataclass
class ImportWorld(Studio):
    """A project whose images wait for labels that somebody else made."""

    images: list[Path] = field(default_factory=list)

    def put(self, source: Path, **options: Any) -> ImportReport:
        given: dict[str, Any] = {"kind": "annotations", **options}
        return import_labels(self.services, self.project, source, stage=quiet, **given)

    def annotations(self) -> dict[int, list[dict[str, Any]]]:
        tasks = self.fake.state.tasks_of(self.project)
        return {task["id"]: self.fake.state.annotations_of(task["id"]) for task in tasks}


def of_images(root: Path, config: str, images: Sequence[Path]) -> ImportWorld:
    """A project with images of one folder."""
    world = ImportWorld.begin(root, config)
    world.take_in(images[0].parent, [path.name for path in images])
    world.images = list(images)
    return world


def make(tmp_path: Path, config: str, count: int = 3) -> ImportWorld:
    folder = tmp_path / "pool"
    folder.mkdir()
    images, rng = [], np.random.default_rng(0)
    for number in range(count):
        path = folder / f"cell{number}.png"
        Image.fromarray(rng.integers(0, 255, (60, 80, 3), np.uint8)).save(path)
        images.append(path)
    return of_images(tmp_path / "state", config, images)


def coco(
    folder: Path, world: ImportWorld, annotations: list[dict[str, Any]], names: tuple[str, ...], *, copy: bool = True
) -> Path:
    (folder / "images").mkdir(parents=True)
    entries = []
    for number, path in enumerate(world.images, start=1):
        entries.append({"id": number, "file_name": path.name, "height": 60, "width": 80})
        if copy:
            (folder / "images" / path.name).write_bytes(path.read_bytes())
    numbered = [{"id": n, "iscrowd": 0, **entry} for n, entry in enumerate(annotations, start=1)]
    write_json(folder / "annotations.json", names, entries, numbered)
    return folder


def box(image: int, x: float, category: int = 1, **fields: Any) -> dict[str, Any]:
    return {"image_id": image, "category_id": category, "bbox": [x, 10, 20, 10], **fields}
