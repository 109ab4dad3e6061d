"""What a fresh start works on: the demo cells or the user's folder, ingested and ranked."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from pathlib import Path
from threading import Thread
from typing import TYPE_CHECKING, Final

from ml_backend.errors import BadRequest, PapLoopError
from ml_backend.intake.ingest import ingest, names_below, scan
from ml_backend.intake.projects import Interface, attach, ensure_project
from ml_backend.intake.seed import seed_labels as submit_labels
from ml_backend.intake.source_groups import proposal_for, set_group_pattern
from ml_backend.operations.demo.cells import CLASSES, write_cells
from ml_backend.operations.demo.fields import CLASSES as FIELD_CLASSES
from ml_backend.operations.demo.fields import write_fields
from ml_backend.plain_text import plain
from ml_backend.runs import request_run
from ml_backend.services import Services
from ml_backend.state.files import DataDir
from ml_backend.state.rows.items import ItemRows
from ml_backend.state.store import Store

if TYPE_CHECKING:
    from training.types import Progress

log = logging.getLogger(__name__)

HELD: Final = (
    "The first labels from folder names wait for your answer, because a model would train on them at once and "
    "freeze the split: start again with GROUP_PATTERN=auto (`make run`) or --group-pattern auto (`paploop "
    "up`) to take the proposed groups, or with none in place of auto if the prefixes carry no information."
)

DEMO_TITLE = "Pap smear cells (generated)"
FIELDS_TITLE = "Fields of cells (generated), {kind}"
DEMO_FIELDS = 120
DEMO_GROUPS = r"((?:patient|smear)\d+)_"
"""Whose cells the generated images show."""


def draw_ahead(files: DataDir, interface: Interface) -> Thread:
    """Draw the demo while the programs start, so that these waits overlap; join it before `fill`."""
    thread = Thread(target=_draw_demo, args=(files, interface, lambda *_: None), daemon=True)
    thread.start()
    return thread


def _draw_demo(files: DataDir, interface: Interface, progress: Progress) -> Path:
    """Draw what is missing of the demo, single cells or fields of cells to find objects on; returns the folder."""
    if interface.kind == "classes":
        folder = files.root / "demo"
        write_cells(folder, progress)
    else:
        folder = files.root / "demo-fields"
        write_fields(folder, DEMO_FIELDS)
        progress(1.0, "")
    return folder


def check(images: Path | None, seed_labels: int, interface: Interface) -> None:
    """Check the options of a start before anything is started.

    Raises:
        NotFound, BadRequest: the folder is not there, holds no image, or cannot give the labels asked for.
    """
    if seed_labels and interface.kind != "classes":
        raise BadRequest(
            "--seed-labels takes classes of whole images from folder names. Leave it out if the project draws objects."
        )
    if images is not None:
        interface.classes_for(images)


def _plan(
    files: DataDir, images: Path | None, interface: Interface, stage: Callable[[str], Progress]
) -> tuple[Path, str, str, tuple[str, ...]]:
    """Folder, purpose, title and classes of the project."""
    kind = interface.kind
    if images is None:
        folder = _draw_demo(files, interface, stage("Drawing the demo"))
        if kind == "classes":
            return folder, "demo", DEMO_TITLE, interface.classes or tuple(CLASSES)
        return folder, f"demo {kind}", FIELDS_TITLE.format(kind=kind), interface.classes or FIELD_CLASSES
    folder = images.expanduser().resolve()
    classes = interface.classes_for(images)
    if kind == "classes":
        return folder, str(folder), f"{folder.name} (PapLoop)", classes
    return folder, f"{folder} {kind}", f"{folder.name}, {kind} (PapLoop)", classes


def fill(
    services: Services,
    images: Path | None,
    seed_labels: int,
    stage: Callable[[str], Progress],
    interface: Interface,
    group_pattern: str = "",
) -> int:
    """Create or find the project, ingest the images, and wait until the first order is in Label Studio.

    Args:
        services: the parts of the process.
        images: the user's folder; None = the demo.
        seed_labels: labels submitted from folder names.
        stage: shows progress.
        interface: of a project that is made now; one that is there keeps its own.
        group_pattern: finds the patient or slide in a file name; "auto" = the proposed one, "none" = none does, empty =
            as it is set.

    Returns:
        Label Studio's project id.
    """
    store = services.store
    folder, purpose, title, classes = _plan(services.files, images, interface, stage)
    progress = stage("Connecting the project")
    project_id = ensure_project(services.label_studio, services.files, purpose, title, classes, interface.kind)
    attach(store, services.label_studio, services.settings, project_id, services.clock())
    progress(1.0, "")
    answered = _group(store, services.files, project_id, folder, group_pattern, is_demo=images is None)
    taken = 0 if _all_known(store.items, project_id, folder) else _take_in(services, project_id, folder, stage)
    if seed_labels and not answered:
        log.warning("%s", HELD)
    elif seed_labels:
        seeded = submit_labels(
            store, services.label_studio, project_id, seed_labels, progress=stage("Submitting first labels")
        )
        if seeded.why_fewer:
            log.warning("%s", seeded.why_fewer)
    if taken or store.rankings.active(project_id) is None:
        _first_order(store, project_id, services.clock(), stage("Ranking"))
    return project_id


def _take_in(services: Services, project_id: int, folder: Path, stage: Callable[[str], Progress]) -> int:
    report = ingest(services, project_id, folder, stage=stage)
    for sentence in report.sentences():
        log.warning("%s", sentence)
    return report.tasks


def _group(store: Store, files: DataDir, project_id: int, folder: Path, pattern: str, *, is_demo: bool) -> bool:
    """Group the demo by its patients and a folder as asked; where names share prefixes, say so and change nothing.

    Returns: Whether no question is open.
    """
    if is_demo and not pattern:
        pattern = "" if store.items.all(project_id) else DEMO_GROUPS
    if not pattern and (is_demo or store.projects.settings(project_id).group_pattern):
        return True
    names = names_below(folder)
    if pattern:
        set_group_pattern(store, files, project_id, pattern, names)
        return True
    proposal = proposal_for(store, project_id, names)
    if proposal is not None:
        print(plain(proposal.advice(str(folder), project_id)), flush=True)
    return proposal is None


def _all_known(items: ItemRows, project_id: int, folder: Path) -> bool:
    """Whether every image of the folder has been taken in, so that no encoder need be loaded to find that out."""
    settled = {
        item.source
        for item in items.all(project_id, states=("ready",))
        if item.task_id is not None or item.group_id != item.id
    }
    return all(str(path) in settled for path in scan(folder).files)


def _first_order(store: Store, project_id: int, now: float, progress: Progress) -> None:
    """Have the worker rank, and wait for it.

    Raises:
        PapLoopError: the run failed; the message is its reason.
    """
    run = request_run(store, project_id, kind="rank", reason="New images were added.", now=now)
    while (run := store.runs.one(run.id)).is_open:
        progress(run.progress, run.message or run.state)
        time.sleep(0.2)
    if run.state == "failed":
        raise PapLoopError(f"The images could not be ranked: {run.error}")
    progress(1.0, "")
