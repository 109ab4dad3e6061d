"""Smart tools in the real editor: the expert drags a box or clicks, and the outline of the object is there."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import annotation_configs
from ml_backend.geometry.results import Control, Reading, read_results
from ml_backend.geometry.shapes import Ellipse, mask_of
from ml_backend.ingest import ingest
from ml_backend.launch.projects import attach
from ml_backend.strategy_choice import change_settings
from tests.e2e.browser import Editor, keep
from tests.e2e.conftest import RealStack, silent, wait_for
from tests.e2e.shapes import bitmap_of
from training.geometry.runs import mask_iou

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(2400)]

CONFIG = (Path(annotation_configs.__file__).parent / "cells_with_smart_tools.xml").read_text()
OUTLINE = Control("outline", "image", "polygonlabels", ("cell", "debris"))
HEIGHT, WIDTH = SIZE = (240, 400)
CELL = Ellipse(220, 130, 60, 40)


@pytest.fixture(scope="module")
def task(real_stack: RealStack, tmp_path_factory: pytest.TempPathFactory) -> tuple[int, int]:
    """A connected project with one picture of one cell: project and task."""
    folder, client = tmp_path_factory.mktemp("smart"), real_stack.label_studio
    painted = np.full((*SIZE, 3), (235, 225, 230), dtype=np.uint8)
    painted[bitmap_of(CELL, SIZE)] = (150, 110, 170)
    Image.fromarray(painted).save(folder / "cell.png")
    project = int(client.create_project("End to end: smart tools", CONFIG)["id"])
    attach(real_stack.services, project)
    change_settings(real_stack.services, project, {"auto_train": False, "duplicate_radius": 0})
    ingest(real_stack.services, project, folder, stage=silent)
    (row,) = client.tasks_updated_since(project)
    return project, int(row["id"])


def saved(stack: RealStack, task: int) -> Reading:
    wait_for(lambda: stack.label_studio.task_annotations(task), "the annotation saved")
    (annotation,) = stack.label_studio.task_annotations(task)
    return read_results(annotation["result"], [OUTLINE], SIZE)


def test_a_dragged_box_becomes_the_outline_inside_it(
    real_stack: RealStack, editor: Editor, task: tuple[int, int]
) -> None:
    editor.open_task(*task, 0)
    PLACEHOLDER
