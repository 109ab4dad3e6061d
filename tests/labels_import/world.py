"""A project over the fake Label Studio with a few images, and labels to give them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from ml_backend.labels_import.importing import ImportReport, import_labels
from ml_backend.services import Services
from ml_backend.settings import Settings
from ml_backend.state.files import DataDir
from ml_backend.state.records import NewItem
from ml_backend.state.store import Store
from tests.fakes.label_studio import FakeLabelStudio
from tests.loop.conftest import ListQueue, quiet
from training.data.coco import write_json
from training.data.images import content_hash

NOW = 1_800_000_000.0
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
class World:
    services: Services
    fake: FakeLabelStudio
    project: int
    images: list[Path]

    def put(self, source: Path, **options: Any) -> ImportReport:
        given: dict[str, Any] = {"kind": "annotations", **options}
        return import_labels(self.services, self.project, source, stage=quiet, **given)

    def annotations(self) -> dict[int, list[dict[str, Any]]]:
        tasks = self.fake.state.tasks_of(self.project)
        return {task["id"]: self.fake.state.annotations_of(task["id"]) for task in tasks}


def make(tmp_path: Path, config: str, count: int = 3) -> World:
    fake = FakeLabelStudio()
    queue: Any = ListQueue()
    settings, files = Settings(data_dir=tmp_path / "state"), DataDir(tmp_path / "state")
    store = Store.open(settings.resolved_database_url)
    services = Services(settings, store, files, lambda: NOW, fake.client(), queue)
    project = fake.add_project(config)
    folder = tmp_path / "pool"
    folder.mkdir()
    images, rng = [], np.random.default_rng(0)
    for number in range(count):
        path = folder / f"cell{number}.png"
        Image.fromarray(rng.integers(0, 255, (60, 80, 3), np.uint8)).save(path)
        images.append(path)
    tasks = services.label_studio.import_tasks(project, [{"data": {"image": path.name}} for path in images])
    store.upsert_project(project, "Cells", config, NOW)
    store.add_items(
        project,
        [
            NewItem(
                str(path),
                task,
                content_hash=content_hash(path),
                state="ready",
                width=80,
                height=60,
                data={"root": str(folder), "name": path.name},
            )
            for path, task in zip(images, tasks, strict=True)
        ],
        NOW,
    )
    return World(services, fake, project, images)


def coco(
    folder: Path, world: World, annotations: list[dict[str, Any]], names: tuple[str, ...], *, copy: bool = True
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
