"""A PapLoop over a fake Label Studio in which drawn cells are told apart."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from ml_backend.intake.ingest import ingest
from ml_backend.intake.projects import classes_of, label_config
from tests.fakes.label_studio import choice
from tests.fakes.progress import quiet
from tests.fakes.world import Studio


@dataclass
class Loop(Studio):
    """A loop that knows what is seen on each image: real encoder, real training."""

    truth: dict[int, str] = field(default_factory=dict)

    def label(self, count: int, wrong: int = 0) -> list[int]:
        """Label the next `count` tasks truthfully, in the order of the label stream; returns their ids."""
        client, done = self.services.label_studio, []
        for number in range(count):
            task = client.next_task(self.project)
            assert task is not None
            classes = sorted(set(self.truth.values()))
            name = self.truth[task["id"]]
            if number < wrong:
                name = classes[(classes.index(name) + 1) % len(classes)]
            client.create_annotation(task["id"], choice(name, "class", "image"), 1.0)
            done.append(int(task["id"]))
        return done


def make_loop(root: Path, folder: Path) -> Loop:
    """A project with the images of a folder with one subfolder a class, and no label."""
    loop = Loop.begin(root, label_config(classes_of(folder)))
    ingest(loop.services, loop.project, folder, stage=quiet)
    loop.truth = {
        int(item.task_id): item.data["name"].split("/")[-2]
        for item in loop.store.items.all(loop.project)
        if item.task_id is not None
    }
    return loop
