"""What a fresh start works on: the demo cells or the user's folder, ingested and ranked."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from threading import Thread
from typing import TYPE_CHECKING

from ml_backend.demo.cells import CLASSES, write_cells
from ml_backend.errors import PapLoopError
from ml_backend.ingest import ingest, scan
from ml_backend.launch.projects import attach, classes_of, ensure_project
from ml_backend.runs import request_run
from ml_backend.seed import seed_labels as submit_labels
from ml_backend.services import Services
from ml_backend.state.files import DataDir
from ml_backend.state.tables import OPEN_STATES

if TYPE_CHECKING:
    from training.types import Progress

DEMO_TITLE = "Pap smear cells (generated)"


def draw_ahead(files: DataDir) -> Thread:
    """Draw the demo cells while the programs start, so that nobody waits for both; join it before `fill`."""
    thread = Thread(target=write_cells, args=(files.root / "demo", lambda fraction, message: None), daemon=True)
    thread.start()
    return thread


def fill(services: Services, images: Path | None, seed_labels: int, stage: Callable[[str], Progress]) -> int:
    """Make or find the project, take images in, and wait until the first order is in Label Studio.

    Args:
        services: the parts of the process.
        images: the user's folder; None = the demo cells.
        seed_labels: labels submitted from folder names.
        stage: shows progress.

    Returns:
        Label Studio's project id.
    """
    if images is None:
        folder = services.files.root / "demo"
        write_cells(folder, stage("Drawing demo cells"))
        purpose, title, classes = "demo", DEMO_TITLE, list(CLASSES)
    else:
        folder = images.expanduser().resolve()
        purpose, title, classes = str(folder), f"{folder.name} (PapLoop)", classes_of(folder)
    progress = stage("Connecting the project")
    project_id = ensure_project(services, purpose, title, classes)
    attach(services, project_id)
    progress(1.0, "")
    taken = 0 if _all_known(services, project_id, folder) else ingest(services, project_id, folder, stage=stage).tasks
    if seed_labels:
        submit_labels(services, project_id, seed_labels, progress=stage("Submitting first labels"))
    if taken or services.store.active_ranking(project_id) is None:
        _first_order(services, project_id, stage("Ranking"))
    return project_id


def _all_known(services: Services, project_id: int, folder: Path) -> bool:
    """Whether every image of the folder has been taken in, so that no encoder need be loaded to find that out."""
    settled = {
        item.source
        for item in services.store.items(project_id, states=("ready",))
        if item.task_id is not None or item.group_id != item.id
    }
    return all(str(path) in settled for path in scan(folder))


def _first_order(services: Services, project_id: int, progress: Progress) -> None:
    """Have the worker rank, and wait for it.

    Raises:
        PapLoopError: the run failed; the message is its reason.
    """
    run = request_run(services, project_id, kind="rank", reason="New images were ingested.")
    while (run := services.store.run(run.id)).state in OPEN_STATES:
        progress(run.progress, run.message or run.state)
        time.sleep(0.2)
    if run.state == "failed":
        raise PapLoopError(f"The images could not be ranked: {run.error}")
    progress(1.0, "")
