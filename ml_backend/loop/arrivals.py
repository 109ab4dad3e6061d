"""After images were added: requests an order, and says what to do next."""

from __future__ import annotations

from ml_backend.errors import QueueUnavailable
from ml_backend.intake.ingest import IngestReport
from ml_backend.loop.schedule import order_due
from ml_backend.runs import request_run
from ml_backend.services import Services
from ml_backend.state.records import RunRow


def ask_for_order(services: Services, project_id: int, reason: str) -> tuple[RunRow, str]:
    """Have the worker rank the images, and say what to do next.

    Returns:
        The open run, which is this one or is followed by it, and one or two sentences.
    """
    run = request_run(services.store, project_id, kind="rank", reason=reason, now=services.clock())
    try:
        works = services.queue.workers() > 0
    except QueueUnavailable as error:
        return run, f"The images are ranked once the worker runs. {error}"
    if not works:
        return run, "Start `paploop worker`; it ranks the images and pushes the order to Label Studio."
    return run, f"The worker is ranking the images; `paploop runs {project_id}` shows when it has finished."


def after_ingest(services: Services, project_id: int, report: IngestReport) -> list[str]:
    """Request an order if one is due; say which images get no task and what to do next."""
    said = []
    if report.near_duplicates:
        said.append(
            f"{report.near_duplicates} images get no task of their own because they show the same specimen as "
            f"another image; `paploop groups {project_id}` lists the pairs."
        )
    if report.tasks or order_due(services, project_id) is not None:
        said.append(ask_for_order(services, project_id, "New images were added.")[1])
    return said
